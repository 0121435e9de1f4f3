"""An exported bundle computes what the trained network computes, in both engines."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console
from tensorflow_serving.apis import prediction_log_pb2
from typer.testing import CliRunner

from app.imaging import phantom, resize, segment, upsample
from app.inference.bundle import Bundle, load_bundle
from app.inference.engines.onnxruntime import OnnxRuntimeEngine
from app.inference.engines.tensorflow import TensorFlowEngine
from model_training.architectures import ARCHITECTURES
from model_training.cli import cli
from model_training.datasets import Frame
from model_training.evaluation.metrics import confusion
from model_training.evaluation.operating_point import OperatingPoint
from model_training.export import WARMUP, Served, export, operating_point, taken_over
from model_training.progress import TrainingProgress
from model_training.publication import evaluated, record, staged
from model_training.recipes import RECIPES, Recipe
from model_training.run import Run, RunError, RunManifest, describe
from model_training.source import Source
from model_training.start import StartError, bundle_weights, open_start
from model_training.training import build, train, trained_model
from tests.model_training.generated import write_pairs

SIDE = 64
TEMPERATURE = 1.5
POINT = OperatingPoint(
    temperature=TEMPERATURE,
    min_area=9,
    figures={
        "frames": 2.0,
        "negatives": 0.0,
        "ece_before": 0.12345,
        "ece": 0.04,
        "dice": 0.9,
        "operating_dice": 0.91,
    },
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run: random weights, but moving statistics that are not the initial ones."""
    settings = RECIPES["tutorial"].settings() | {"height": SIDE, "width": SIDE}
    manifest = RunManifest(
        recipe=Recipe(**settings),
        seed=1,
        split="tutorial",
        split_hash="0" * 64,
        data_hash="1" * 64,
        train_frames=("cvc-clinicdb/1",),
        validation_frames=("cvc-clinicdb/2",),
        encoder_weights=None,
        commit="f" * 40,
    )
    run = Run.create(tmp_path_factory.mktemp("run"), manifest)
    keras.utils.set_random_seed(1)
    model, _ = build(manifest.recipe, None, frames=1)
    image = np.stack([resize(phantom(SIDE, SIDE, seed=n)[0], SIDE, SIDE) for n in range(4)])
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5
    model(image.astype(np.float32), training=True)
    model.save_weights(run.weights)
    return run


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    return [phantom(90 + seed, 120, seed=seed)[0] for seed in range(3)]


@pytest.fixture(scope="module")
def bundle(run: Run, images: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("models") / "polyp-unet"
    return export(run, out, name="polyp-unet", version="3", images=images, point=POINT)


def test_both_engines_agree_with_the_network(
    run: Run, bundle: Bundle, images: list[np.ndarray]
) -> None:
    inputs = np.stack([resize(image, SIDE, SIDE) for image in images])
    logits = trained_model(run)(inputs.astype(np.float32), training=False)
    expected = tf.sigmoid(logits[..., 0] / TEMPERATURE).numpy()
    assert np.ptp(expected) > 1e-3, "a constant map would prove nothing"

    for engine in (OnnxRuntimeEngine(bundle), TensorFlowEngine(bundle)):
        np.testing.assert_allclose(engine.infer(inputs), expected, atol=1e-4)


def test_the_manifest_tells_what_was_exported(bundle: Bundle, run: Run) -> None:
    manifest = bundle.manifest

    assert (manifest.name, manifest.version) == ("polyp-unet", "3")
    assert (manifest.input_height, manifest.input_width) == (SIDE, SIDE)
    assert manifest.parameters == 416_209
    assert manifest.cropped is run.manifest.recipe.cropped is False
    assert manifest.gflop == pytest.approx(3.286 * SIDE**2 / 256**2, rel=0.01)
    assert manifest.training.settings["learning_rate"] == 1e-4
    assert manifest.training.train_frames == run.manifest.train_frames
    assert (manifest.threshold, manifest.min_area, manifest.temperature) == (0.5, 9, TEMPERATURE)
    assert manifest.metrics == {"validation": {**POINT.figures, "ece_before": 0.1235}}
    (parity,) = manifest.parity
    assert parity.frames == 3
    assert parity.within_bounds


def test_tensorflow_serving_finds_requests_that_the_signature_takes(bundle: Bundle) -> None:
    serving = tf.saved_model.load(str(bundle.path)).signatures["serving_default"]

    logs = list(tf.data.TFRecordDataset(str(bundle.path / WARMUP)).as_numpy_iterator())

    assert logs
    for log in logs:
        request = prediction_log_pb2.PredictionLog.FromString(log).predict_log.request
        image = tf.constant(tf.make_ndarray(request.inputs["image"]))
        probability = serving(image=image)["probability"]
        assert probability.shape == image.shape[:3]
        assert request.model_spec.signature_name == "serving_default"


def test_the_card_says_that_it_is_no_medical_device(bundle: Bundle) -> None:
    card = (bundle.path / "model_card.md").read_text()

    assert "Research use only. Not a medical device." in card
    assert "416,209 parameters" in card
    assert "1 frames trained the weights" in card
    assert "fitted on the 2 validation frames, 0 of them without a polyp" in card
    assert "from 0.123 to 0.040" in card
    assert "Dice 0.900 at 0.5, 0.910 as fitted" in card
    assert "Not evaluated yet" in card


def test_an_export_replaces_the_version_that_is_there(
    run: Run, bundle: Bundle, images: list[np.ndarray], tmp_path: Path
) -> None:
    root = tmp_path / "polyp-unet"
    shutil.copytree(bundle.path, root / "3")

    point = OperatingPoint(threshold=0.4)
    again = export(run, root, name="polyp-unet", version="3", images=images[:1], point=point)

    assert again.manifest.threshold == 0.4
    assert [entry.name for entry in root.iterdir()] == ["3"]


def test_a_run_that_has_not_finished_is_not_exported(run: Run, tmp_path: Path) -> None:
    unfinished = Run.create(tmp_path / "run", run.manifest)

    with pytest.raises(RunError, match="has not finished"):
        trained_model(unfinished)


def test_the_temperature_divides_the_logits() -> None:
    image = keras.Input((8, 8, 3))
    network = keras.Model(image, keras.layers.Conv2D(1, 1)(image))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)

    cold, hot = (
        Served(network, temperature).serve(tf.constant(pixels))["probability"].numpy()
        for temperature in (1.0, 4.0)
    )

    cold, hot = (np.clip(p.astype(float), 1e-7, 1 - 1e-7) for p in (cold, hot))
    middle = (cold > 1e-3) & (cold < 1 - 1e-3)
    assert middle.any()
    np.testing.assert_allclose(
        np.log(cold / (1 - cold))[middle], 4 * np.log(hot / (1 - hot))[middle], rtol=1e-2, atol=1e-3
    )


def test_the_point_is_fitted_to_what_the_network_answers(run: Run, tmp_path: Path) -> None:
    frames = []
    for seed in range(3):
        image, mask = phantom(90, 120, seed=seed)
        paths = tmp_path / f"{seed}.png", tmp_path / f"{seed}-mask.png"
        cv2.imwrite(str(paths[0]), image[..., ::-1])
        cv2.imwrite(str(paths[1]), mask)
        frames.append(Frame("drawn", str(seed), *paths, f"drawn/{seed}"))

    point = operating_point(run, frames)

    inputs = np.stack([resize(frame.read_image(), SIDE, SIDE) for frame in frames])
    maps = tf.sigmoid(trained_model(run)(inputs.astype(np.float32), training=False)[..., 0]).numpy()
    dice = [
        confusion(segment(upsample(small, 90, 120), 0.5).mask, frame.read_mask()).dice
        for small, frame in zip(maps, frames, strict=True)
    ]
    assert point.figures["frames"] == 3
    assert point.figures["dice"] == pytest.approx(np.mean(dice), abs=1e-4)
    assert point.figures["ece"] < point.figures["ece_before"]


def test_the_command_fits_on_the_frames_that_the_run_names(run: Run, tmp_path: Path) -> None:
    write_pairs(tmp_path / "data" / "cvc_clinicdb", ["1", "2"])
    words = ["export", run.path, "--data", tmp_path / "data", "--out", tmp_path / "polyp-unet"]

    done = CliRunner().invoke(cli, [str(word) for word in words])

    assert done.exit_code == 0, done.output
    manifest = load_bundle(tmp_path / "polyp-unet").manifest
    validation = manifest.metrics["validation"]
    assert (validation["frames"], validation["negatives"]) == (1, 0)
    assert manifest.temperature != 1
    assert f"temperature {manifest.temperature}, threshold {manifest.threshold}" in done.output
    parity = manifest.parity_on("cpu")
    assert parity is not None
    assert parity.frames == 1

    card = tmp_path / "polyp-unet" / "1" / "model_card.md"
    card.write_text("precious")
    again = CliRunner().invoke(cli, [str(word) for word in words])
    kept = card.read_text()
    replaced = CliRunner().invoke(cli, [*map(str, words), "--replace"])

    assert again.exit_code == 2
    assert "is there: name another --version or --out" in again.output.replace("\n", " ")
    assert kept == "precious"
    assert replaced.exit_code == 0, replaced.output
    assert card.read_text() != "precious"


@pytest.fixture
def full(run: Run, tmp_path: Path) -> Run:
    """A run that trained on the frames that another one held out."""
    seen = (*run.manifest.train_frames, *run.manifest.validation_frames)
    manifest = replace(run.manifest, split="tutorial-full", train_frames=seen, validation_frames=())
    full = Run.create(tmp_path / "full", manifest)
    shutil.copy(run.weights, full.weights)
    return full


def test_a_run_that_holds_nothing_out_takes_its_point_over(
    full: Run, bundle: Bundle, tmp_path: Path
) -> None:
    write_pairs(tmp_path / "data" / "cvc_clinicdb", ["1", "2"])
    out = tmp_path / "polyp-unet"
    words = ["export", full.path, "--data", tmp_path / "data", "--out", out]

    alone = CliRunner().invoke(cli, [str(word) for word in words])
    done = CliRunner().invoke(cli, [str(word) for word in [*words, "--point-of", bundle.path]])

    assert alone.exit_code == 2
    assert "holds no frames out to fit on: name a bundle" in alone.output.replace("\n", " ")
    assert done.exit_code == 0, done.output
    manifest = load_bundle(out).manifest
    assert (manifest.temperature, manifest.threshold, manifest.min_area) == (TEMPERATURE, 0.5, 9)
    assert manifest.training.settings["operating_point"] == bundle.sha256
    assert manifest.training.validation_frames == ()
    assert manifest.metrics == {}
    card = " ".join((out / "1" / "model_card.md").read_text().split())
    assert f"earlier bundle, whose manifest has the SHA-256 `{bundle.sha256[:12]}`, on" in card
    assert "2 frames trained the weights, none were held out" in card


def test_a_point_that_was_taken_over_is_passed_on(
    full: Run, bundle: Bundle, tmp_path: Path
) -> None:
    write_pairs(tmp_path / "data" / "cvc_clinicdb", ["1", "2"])
    lender = bundle.path
    for name in ("polyp-unet", "further"):
        words = ["export", full.path, "--data", tmp_path / "data", "--out", tmp_path / name]
        done = CliRunner().invoke(cli, [str(word) for word in [*words, "--point-of", lender]])
        assert done.exit_code == 0, done.output
        lender = tmp_path / name / "1"
    # Not to a run that scores itself on frames which it was fitted on, perhaps.
    fewer = replace(full.manifest, train_frames=("cvc-clinicdb/1",))
    with pytest.raises(RunError, match="was fitted on frames that"):
        taken_over(load_bundle(tmp_path / "further"), Run.create(tmp_path / "fewer", fewer))
    manifest = load_bundle(tmp_path / "further").manifest
    assert manifest.training.settings["operating_point"] == bundle.sha256
    assert manifest.temperature == TEMPERATURE


def test_a_point_that_was_never_fitted_is_not_taken_over(
    full: Run, bundle: Bundle, tmp_path: Path
) -> None:
    root = tmp_path / "unfitted"
    shutil.copytree(bundle.path, root / "3")
    path = root / "3" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"metrics": {}}))
    with pytest.raises(RunError, match="has no operating point that was fitted"):
        taken_over(load_bundle(root), full)


def test_a_point_is_taken_over_from_a_bundle_of_its_kind_alone(
    run: Run, full: Run, bundle: Bundle, tmp_path: Path
) -> None:
    write_pairs(tmp_path / "data" / "cvc_clinicdb", ["1", "2"])
    other = replace(full.manifest, recipe=replace(full.manifest.recipe, architecture="polyp_unet"))
    fewer = replace(full.manifest, train_frames=("cvc-clinicdb/1",))
    runs = {
        "holds 1 frames out to fit on: leave --point-of away.": run.path,
        "is of tutorial_unet, and": Run.create(tmp_path / "other", other).path,
        "was fitted on frames that": Run.create(tmp_path / "fewer", fewer).path,
    }
    for sentence, path in runs.items():
        words = ["export", path, "--data", tmp_path / "data", "--out", tmp_path / "polyp-unet"]
        words += ["--point-of", bundle.path]
        done = CliRunner().invoke(cli, [str(word) for word in words])
        assert done.exit_code == 2
        assert sentence in done.output.replace("\n", " ")
    assert not (tmp_path / "polyp-unet").exists()


def test_a_run_whose_frames_are_not_there_is_one_sentence(run: Run, tmp_path: Path) -> None:
    write_pairs(tmp_path / "data" / "cvc_clinicdb", ["1"])
    words = ["export", run.path, "--data", tmp_path / "data", "--out", tmp_path / "polyp-unet"]

    done = CliRunner().invoke(cli, [str(word) for word in words])

    assert done.exit_code == 2
    assert "lacks 1 of 1 frames, such as cvc-clinicdb/2." in done.output.replace("\n", " ")
    assert not (tmp_path / "polyp-unet").exists()


def test_figures_are_recorded_in_manifest_and_card(bundle: Bundle, tmp_path: Path) -> None:
    root = tmp_path / "polyp-unet"
    shutil.copytree(bundle.path, root / "3")
    before = load_bundle(root)
    entry = {
        "figures": {"dice": 0.87654, "mae": 0.01},
        "intervals": {"dice": [0.8, 0.9]},
        "frames": ["cvc-clinicdb/3", "cvc-clinicdb/4"],
        "by_area": [{"name": "smallest quarter", "dice": 0.75}, {"name": "second", "dice": 0.9}],
    }

    after = record(before, evaluated({"tutorial": entry}))

    kept = {"frames": 2, "dice": 0.8765, "mae": 0.01, "dice_low": 0.8, "dice_high": 0.9}
    kept["smallest_quarter_dice"] = 0.75
    assert after.manifest.metrics == {**before.manifest.metrics, "tutorial": kept}
    card = (after.path / "model_card.md").read_text()
    assert "| tutorial | 2 | Dice | 0.8765 | 0.800 to 0.900 |" in card
    assert "- `tutorial`: Dice 0.750 on the quarter of the frames with the smallest" in card
    changed = {
        name for name, value in after.manifest.files.items() if before.manifest.files[name] != value
    }
    assert changed == {"model_card.md"}
    assert after.sha256 != before.sha256

    again = record(after, {"negatives": {"false_alarm_rate": 0.25}})

    card = (again.path / "model_card.md").read_text()
    assert "| tutorial | 2 | Dice | 0.8765 | 0.800 to 0.900 |" in card
    assert "| negatives |  | false alarms | 0.2500 |  |" in card


def test_what_cannot_take_its_place_leaves_the_old_version_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "polyp-unet" / "3"
    old.mkdir(parents=True)
    (old / "kept").write_text("precious")

    def rename(self: Path, target: Path) -> Path:
        if (self / "new").exists():
            raise OSError("the disk is gone")
        return Path(shutil.move(self, target))

    def replace() -> None:
        with staged(old.parent, "3") as path:
            (path / "new").mkdir(parents=True)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OSError, match="gone"):
        replace()

    assert (old / "kept").read_text() == "precious"
    assert [entry.name for entry in old.parent.iterdir()] == ["3"]


def test_a_run_whose_weights_are_damaged_is_one_sentence(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    copy = Run.open(tmp_path / "run")
    copy.weights.write_bytes(run.weights.read_bytes()[:5000])
    with pytest.raises(RunError, match=r"model\.weights\.h5 does not hold the weights of"):
        trained_model(copy)


def frame(name: str) -> Frame:
    return Frame("cvc-clinicdb", name, Path(name), Path(name), "cvc-clinicdb/1")


def source(train: str, validation: str) -> Source:
    return Source("tutorial", "0" * 64, "1" * 64, [frame(train), frame("9")], [frame(validation)])


def test_a_bundle_gives_its_weights_to_a_network_of_its_kind(run: Run, bundle: Bundle) -> None:
    fresh = ARCHITECTURES["tutorial_unet"](SIDE, SIDE, encoder_weights=None)
    found = bundle_weights(fresh, bundle)
    for ours, theirs in zip(found, trained_model(run).get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    other = ARCHITECTURES["polyp_unet_lite"](SIDE, SIDE, encoder_weights=None)
    with pytest.raises(StartError, match="holds another architecture than light_unet"):
        bundle_weights(other, bundle)


def test_training_goes_on_from_a_bundle_on_frames_of_the_same_parts(bundle: Bundle) -> None:
    assert open_start(bundle.path, source("1", "2")).path == bundle.path
    with pytest.raises(StartError, match=r"would train on, such as cvc-clinicdb/1\."):
        open_start(bundle.path, source("3", "2"))
    # What chose a bundle's weights must not be trained on: the next choice would be no choice.
    with pytest.raises(StartError, match=r"would validate on, such as cvc-clinicdb/2\."):
        open_start(bundle.path, source("1", "3"))


def test_what_chose_a_bundle_may_train_a_run_that_holds_nothing_out(bundle: Bundle) -> None:
    held_in = [frame("1"), frame("2")]
    full = Source("tutorial-full", "0" * 64, "1" * 64, held_in, [])
    assert open_start(bundle.path, full).path == bundle.path
    with pytest.raises(StartError, match=r"would train on, such as cvc-clinicdb/2\."):
        open_start(bundle.path, replace(full, train=held_in[:1]))


def test_figures_that_are_recorded_in_a_bundle_do_not_make_it_another_start(
    run: Run, bundle: Bundle, tmp_path: Path
) -> None:
    shutil.copytree(bundle.path, tmp_path / "3")
    source = Source("tutorial", "0" * 64, "1" * 64, (), ())
    before, after = (
        describe(run.manifest.recipe, source, seed=1, encoder_weights=None, start=start)
        for start in (bundle, record(load_bundle(tmp_path), {"tutorial": {"dice": 0.5}}))
    )
    assert before.start != after.start
    assert before.identity() == after.identity()
    nowhere = describe(run.manifest.recipe, source, seed=1, encoder_weights=None)
    assert nowhere.identity() != before.identity()


def test_a_run_from_a_bundle_begins_with_its_weights(
    run: Run, bundle: Bundle, tmp_path: Path
) -> None:
    # At a rate of zero the weights stay what they are at the beginning.
    recipe = replace(run.manifest.recipe, epochs=1, batch=1, learning_rate=0.0)
    further = Run.create(tmp_path, replace(run.manifest, recipe=recipe, start=bundle.sha256))
    pixels = tf.zeros((1, SIDE, SIDE, 3), tf.uint8), tf.zeros((1, SIDE, SIDE), tf.uint8)
    examples = tf.data.Dataset.from_tensor_slices(pixels)
    progress = TrainingProgress(Console(quiet=True))

    train(further, examples, examples, encoder_weights=None, start=bundle, progress=progress)

    first, second = (trained_model(each).trainable_variables for each in (run, further))
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert Run.open(tmp_path).manifest.start == bundle.sha256

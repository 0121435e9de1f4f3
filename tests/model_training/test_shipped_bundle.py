"""The model that ships is whole, and its two engines agree on this machine too."""

from pathlib import Path

import numpy as np

from app.imaging import phantom, resize
from app.inference import load_bundle
from app.inference.engines.onnxruntime import OnnxRuntimeEngine
from benchmarks.shrink import agreements
from model_training.datasets import read_kvasir
from model_training.export import compare_engines

ROOT = Path(__file__).parents[2]


def test_the_engines_agree_on_this_machine() -> None:
    bundle = load_bundle(ROOT / "models" / "polyp-unet")
    height, width = bundle.manifest.input_height, bundle.manifest.input_width
    images = np.stack(
        [resize(phantom(288 + seed, 384, seed=seed)[0], height, width) for seed in range(4)]
    )

    parity = compare_engines(bundle, images)

    assert parity.within_bounds, parity


def test_it_says_where_it_comes_from() -> None:
    manifest = load_bundle(ROOT / "models" / "polyp-unet").manifest

    recorded = manifest.parity_on("cpu")
    assert recorded is not None
    assert recorded.within_bounds
    assert len(manifest.training.commit) == 40, "trained from a clean checkout"
    assert manifest.training.train_frames
    assert not set(manifest.training.train_frames) & set(manifest.training.validation_frames)
    assert manifest.metrics


def test_masks_stay_what_they_are_when_large_frames_are_decoded_at_half_their_size(
    data: Path,
) -> None:
    bundle = load_bundle(ROOT / "models" / "polyp-unet")
    engine = OnnxRuntimeEngine(bundle, threads=1)
    frames = read_kvasir(data / "kvasir_seg", verify="headers").frames[::20]

    between = [one.between for one in agreements(engine, bundle.manifest, frames)]

    assert len(between) > 10
    assert np.mean(between) > 0.995
    assert min(between) > 0.95
    assert min(between) < 1, "the same pixels were compared with themselves"

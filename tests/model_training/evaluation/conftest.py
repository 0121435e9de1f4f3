"""A data folder of drawn frames, on which the tiny test model finds red and nothing else."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from app.inference import Bundle, Engine, load_bundle, select_engine
from model_training.datasets import Frame
from model_training.datasets.lists import clinicdb_sequences, pranet_test_kvasir
from model_training.evaluation.intervals import Bootstrap
from model_training.evaluation.metrics import Confusion, SoftOverlap
from model_training.evaluation.protocols import Row
from model_training.evaluation.record import Kept, keep
from model_training.evaluation.results import Evaluation, summarise
from model_training.evaluation.robustness import robustness
from model_training.evaluation.scoring import FrameScore
from tests.bundles import write_tiny_bundle

NEGATIVES = 156
MakeScore = Callable[..., FrameScore]
MakeKept = Callable[..., Kept]


class IdleEngine:
    """Results are written after the engine has done its work: nothing but its name is read."""

    name = "onnxruntime"
    device = "cpu"


def draw(
    seed: int, height: int, width: int, *, polyp: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw noisy mucosa with a red spot, and a mask that is not quite where the spot is."""
    random = np.random.default_rng(seed)
    picture = random.integers(100, 116, (height, width, 3), np.uint8)
    mask = np.zeros((height, width), np.uint8)
    if polyp:
        x, y = int(random.integers(width // 4, width // 2)), height // 2
        axes = (int(random.integers(4, width // 5)), int(random.integers(4, height // 3)))
        cv2.ellipse(picture, (x, y), axes, 0, 0, 360, (220, 30, 20), -1)
        cv2.ellipse(mask, (x + seed % 7, y), axes, 0, 0, 360, 255, -1)
    return picture, mask


def write_png(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    return path


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every name of the three data sets that the splits need, on a few distinct pictures."""
    root = tmp_path_factory.mktemp("data")
    sources = []
    for seed in range(12):
        image, mask = draw(seed, 36, 48)
        paths = write_png(root / f"{seed}.png", image), write_png(root / f"{seed}-mask.png", mask)
        sources.append(tuple(path.read_bytes() for path in paths))
    healthy = write_png(root / "healthy.png", draw(0, 32, 32, polyp=False)[0]).read_bytes()
    for folder, suffix, names in (
        ("cvc_clinicdb", "png", clinicdb_sequences()),
        ("kvasir_seg", "png", pranet_test_kvasir()),
    ):
        for kind in ("images", "masks"):
            (root / folder / kind).mkdir(parents=True)
        for place, name in enumerate(names):
            image_bytes, mask_bytes = sources[place % len(sources)]
            (root / folder / "images" / f"{name}.{suffix}").write_bytes(image_bytes)
            (root / folder / "masks" / f"{name}.{suffix}").write_bytes(mask_bytes)
    (root / "negatives" / "images").mkdir(parents=True)
    for number in range(NEGATIVES):
        # The last three have a red spot.
        source = healthy if number < NEGATIVES - 3 else sources[number % len(sources)][0]
        (root / "negatives" / "images" / f"{number:03}.png").write_bytes(source)
    return root


@pytest.fixture
def frame(tmp_path: Path) -> Frame:
    """One frame with a polyp, larger than the model's input and not square."""
    image, mask = draw(5, 90, 150)
    return Frame(
        "drawn",
        "5",
        write_png(tmp_path / "5.png", image),
        write_png(tmp_path / "5-mask.png", mask),
        "drawn/a",
    )


@pytest.fixture
def engine(bundle: Bundle) -> Iterator[Engine]:
    """ONNX Runtime on the bundle that a module's own fixture writes."""
    engine, _ = select_engine(bundle, "onnxruntime", threads=1)
    yield engine
    engine.close()


@pytest.fixture
def bundle_of(tmp_path: Path) -> Callable[..., Path]:
    """Write the tiny bundle as one that was trained on a split; returns its root."""

    def write(
        split: str,
        *,
        train: tuple[str, ...] = (),
        validation: tuple[str, ...] = (),
        root: Path = tmp_path / "models" / "tiny",
    ) -> Path:
        path = write_tiny_bundle(root, height=32, width=32) / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest["training"] |= {
            "split": split,
            "train_frames": train,
            "validation_frames": validation,
        }
        path.write_text(json.dumps(manifest))
        return root

    return write


def score_of(
    key: str = "drawn/1",
    *,
    counts: tuple[int, int, int] = (60, 20, 20),
    operating: tuple[int, int, int] | None = None,
    sequence: str | None = None,
    size: tuple[int, int] = (20, 30),
    overlap: tuple[float, float, float] = (50.0, 70.0, 80.0),
    calibration: NDArray[np.float64] | None = None,
    mean_absolute_error: float = 0.1,
) -> FrameScore:
    """Make a score from the counts of its mask, with plausible rest."""
    bins = np.zeros((3, 15)) if calibration is None else calibration
    return FrameScore(
        key=key,
        sequence=sequence or key,
        height=size[0],
        width=size[1],
        counts="",
        mask=Confusion(*counts),
        operating=Confusion(*(operating or counts)),
        mean_absolute_error=mean_absolute_error,
        threshold_mean_dice=0.5,
        score=0.9,
        input_mask=Confusion(*counts),
        input_overlap=SoftOverlap(*overlap),
        calibration=tuple(tuple(row) for row in bins.tolist()),
        infer_ms=10.0,
    )


@pytest.fixture
def make_score() -> MakeScore:
    """Return `score_of`."""
    return score_of


@pytest.fixture
def make_kept(tmp_path: Path) -> MakeKept:
    """Keep an evaluation with the scores given, of a bundle that was trained on a split."""

    def make(
        folder: Path,
        rows: dict[str, Sequence[FrameScore]],
        *,
        split: str = "pranet",
        seed: int = 0,
        recipe: str = "light",
        settings: dict[str, object] | None = None,
        metrics: dict[str, dict[str, float]] | None = None,
        robust: bool = False,
    ) -> Kept:
        root = tmp_path / "bundles" / folder.name / "tiny"
        path = write_tiny_bundle(root, height=32, width=32) / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest["training"] |= {
            "split": split,
            "seed": seed,
            "recipe": recipe,
            "settings": settings or {},
        }
        manifest["metrics"] = metrics or {}
        path.write_text(json.dumps(manifest))
        bootstrap = Bootstrap(resamples=50)
        results = [
            summarise(Row(name, (), polyps=name != "negatives"), tuple(scores), bootstrap)
            for name, scores in rows.items()
        ]
        if robust:
            results = [
                replace(
                    result,
                    robustness=robustness(
                        result.scores,
                        [{"foggy": 0.5}] * len(result.scores),
                        bootstrap,
                        polyps=result.row.polyps,
                    ),
                )
                for result in results
            ]
        evaluation = Evaluation(
            bundle=load_bundle(root),
            engine=cast("Engine", IdleEngine()),
            reason="onnxruntime on the processor",
            command="polypseg evaluate --data data",
            bootstrap=bootstrap,
            results=tuple(results),
        )
        return keep(folder, evaluation)

    return make

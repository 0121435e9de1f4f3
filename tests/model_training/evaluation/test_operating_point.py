"""The operating point of networks whose faults are known."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from app.imaging import resize
from model_training.datasets import Frame
from model_training.evaluation.operating_point import choose, fit_operating_point
from tests.model_training.evaluation.conftest import draw, write_png

SIDE = 48


def frame_of(root: Path, seed: int, *, polyp: bool = True) -> Frame:
    image, mask = draw(seed, SIDE, SIDE, polyp=polyp)
    path = write_png(root / f"{seed}-{polyp}.png", image)
    mask_path = write_png(root / f"{seed}-mask.png", mask) if polyp else None
    return Frame("drawn", path.stem, path, mask_path, f"drawn/{path.stem}")


def redness(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Be as sure as a network that has fitted its training data: logits of -40 or 50."""
    return (image[..., 0].astype(np.float32) - 150) * 0.7


def test_an_overconfident_network_is_cooled(tmp_path: Path) -> None:
    frames = [frame_of(tmp_path, seed) for seed in range(8)]
    point = fit_operating_point(redness, SIDE, SIDE, frames)
    assert point.temperature > 5
    assert point.figures["ece"] < point.figures["ece_before"]
    assert (point.threshold, point.min_area) == (0.5, 0)
    dice = [
        f1_score(frame.read_mask().ravel() > 0, redness(frame.read_image()).ravel() >= 0)
        for frame in frames
    ]
    assert point.figures["dice"] == pytest.approx(np.mean(dice))
    assert point.figures["operating_dice"] == point.figures["dice"]
    assert "false_alarm_rate" not in point.figures
    assert (point.figures["frames"], point.figures["negatives"]) == (8, 0)


def test_a_threshold_that_silences_false_alarms_is_taken(tmp_path: Path) -> None:
    frames = [frame_of(tmp_path, seed) for seed in range(6)]
    frames += [frame_of(tmp_path, seed, polyp=False) for seed in range(6)]

    def network(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        logits = np.where(image[..., 0] > 150, np.float32(3), np.float32(-3))
        logits[:9, :9] = 0.2  # in every frame the same uncertain corner
        return logits

    point = fit_operating_point(network, SIDE, SIDE, frames)
    assert point.threshold > 0.5
    assert point.figures["false_alarm_rate"] == 1
    assert point.figures["operating_false_alarm_rate"] == 0
    assert point.figures["operating_dice"] > point.figures["dice"]


def test_specks_are_removed_where_no_threshold_does(tmp_path: Path) -> None:
    frames = [frame_of(tmp_path, seed) for seed in range(6)]
    frames += [frame_of(tmp_path, seed, polyp=False) for seed in range(6)]

    def network(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        logits = np.where(image[..., 0] > 150, np.float32(3), np.float32(-3))
        logits[::12, ::12] = 3  # as certain as a polyp, but of one pixel
        return logits

    point = fit_operating_point(network, SIDE, SIDE, frames)
    assert (point.threshold, point.min_area) == (0.5, 16)
    assert point.figures["operating_false_alarm_rate"] == 0


def test_the_network_sees_its_own_size_and_figures_are_at_source_size(tmp_path: Path) -> None:
    image, mask = draw(3, 90, 150)
    frame = Frame(
        "drawn",
        "3",
        write_png(tmp_path / "3.png", image),
        write_png(tmp_path / "3-mask.png", mask),
        "drawn/3",
    )
    seen = []

    def network(small: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append(small)
        return redness(small)

    point = fit_operating_point(network, 32, 40, [frame])
    np.testing.assert_array_equal(seen, [resize(image, 32, 40)])
    assert 0.5 < point.figures["dice"] < 1


def test_a_border_makes_no_difference_to_a_network_that_does_not_see_it(tmp_path: Path) -> None:
    image, mask = draw(3, 64, 80)
    wide, target = np.zeros((90, 100, 3), np.uint8), np.zeros((90, 100), np.uint8)
    wide[16:80, 8:88], target[16:80, 8:88] = image, mask
    plain, bordered = (
        Frame(
            "drawn",
            name,
            write_png(tmp_path / f"{name}.png", pixels),
            write_png(tmp_path / f"{name}-mask.png", truth),
            f"drawn/{name}",
        )
        for name, pixels, truth in (("plain", image, mask), ("bordered", wide, target))
    )
    point = fit_operating_point(redness, 32, 40, [plain])
    assert fit_operating_point(redness, 32, 40, [bordered], cropped=True).figures["dice"] == (
        pytest.approx(point.figures["dice"])
    )
    assert fit_operating_point(redness, 32, 40, [bordered]).figures["dice"] != (
        pytest.approx(point.figures["dice"], abs=1e-4)
    )


def test_one_lucky_frame_moves_nothing() -> None:
    merit = np.full((100, 2), 0.9)
    merit[0] = 0, 1
    sequences = [str(n) for n in range(100)]
    assert choose(merit, np.ones(100, bool), sequences) == 0
    merit[:20] = 0, 1
    assert choose(merit, np.ones(100, bool), sequences) == 1


def test_twenty_frames_of_one_video_are_one_lucky_frame() -> None:
    merit = np.full((100, 2), 0.9)
    merit[:20] = 0, 1
    sequences = ["video"] * 20 + [str(n) for n in range(80)]
    assert choose(merit, np.ones(100, bool), sequences) == 0


def test_polyps_are_not_given_up_for_quiet_negatives() -> None:
    positive = np.arange(100) < 60
    merit = np.where(positive[:, None], [[0.9, 0.898, 0.899]], [[0.0, 1.0, 1.0]])
    merit[60:80, 2] = 0
    assert choose(merit, positive, [str(n) for n in range(100)]) == 2
    assert choose(merit[:, :2], positive, [str(n) for n in range(100)]) == 0


@given(st.integers(0, 10_000))
def test_what_is_chosen_is_never_worse(seed: int) -> None:
    random = np.random.default_rng(seed)
    merit = random.uniform(0, 1, (30, 5))
    positive = random.uniform(size=30) < 0.7
    best = choose(merit, positive, [str(n // 2) for n in range(30)])
    means = merit.mean(axis=0)
    assert best == 0 or means[best] - means[0] > 0.003

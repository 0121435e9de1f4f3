"""The comparison of two networks that take turns; how long they take is nobody's claim here."""

import json
from pathlib import Path

import numpy as np
import pytest

from app.inference import load_bundle
from benchmarks.model_time import RUNS, compare, main
from tests.bundles import write_tiny_bundle


def test_what_slows_both_leaves_the_ratio() -> None:
    random = np.random.default_rng(0)
    load = random.uniform(1, 5, (60, 1))
    ours = 0.010 * load * random.uniform(0.95, 1.05, (60, RUNS - 1))
    theirs = 0.040 * load * random.uniform(0.95, 1.05, (60, RUNS - 1))

    found = compare(ours, theirs, threads=2)

    assert found.ms == pytest.approx(1000 * np.median(ours))
    assert found.baseline_ms == pytest.approx(1000 * np.median(theirs))
    assert found.ratio == pytest.approx(0.25, rel=0.05)
    assert found.ratio_low < 0.25 < found.ratio_high
    # The times themselves vary by a factor of five.
    assert found.ratio_high / found.ratio_low < 1.2
    assert (found.turns, found.threads) == (60, 2)


def test_one_disturbed_turn_hardly_counts() -> None:
    ours, theirs = np.full((30, 4), 0.01), np.full((30, 4), 0.04)
    ours[7] = 9
    found = compare(ours, theirs, threads=1)
    assert (found.ratio, found.ratio_low, found.ratio_high) == pytest.approx((0.25, 0.25, 0.25))


def test_the_ratio_is_recorded_in_the_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, baseline, out = tmp_path / "ours", tmp_path / "baseline", tmp_path / "time.json"
    write_tiny_bundle(ours)
    write_tiny_bundle(baseline, name="baseline", height=32, width=32, saved_model=True)

    words = [str(ours), "--baseline", str(baseline), "--turns", "3", "--json", str(out)]
    main([*words, "--record"])

    figures = json.loads(out.read_text())
    recorded = load_bundle(ours)
    assert recorded.manifest.metrics["model_time"] == {
        name: round(value, 4) for name, value in figures.items()
    }
    assert figures["ratio"] == pytest.approx(figures["ms"] / figures["baseline_ms"])
    assert "interleaved in one run" in (recorded.path / "model_card.md").read_text()
    printed = capsys.readouterr().out
    assert "tiny/1" in printed
    assert "baseline/1" in printed
    assert f"ratio {figures['ratio']:.3f}" in printed

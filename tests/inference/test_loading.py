"""A real engine, warmed and measured."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.imaging import phantom
from app.inference import (
    Bundle,
    BundleError,
    Selection,
    SelectionError,
    choose_engine,
    load_bundle,
    load_engine,
)
from app.inference import loading as loading_module
from app.inference.loading import load
from tests.bundles import tiny_probability, write_tiny_bundle


@pytest.mark.parametrize(("cores", "ways"), [(1, {(1, 1)}), (3, {(3, 3), (3, 1)})])
def test_engine_is_warm_and_used_in_a_way_that_was_measured(
    tiny: Bundle, monkeypatch: pytest.MonkeyPatch, cores: int, ways: set[tuple[int, int]]
) -> None:
    monkeypatch.setattr(loading_module, "available_cores", lambda: cores)
    loaded = load(tiny, choose_engine(tiny, device="cpu"))
    how = loaded.measurement
    assert (how.slots, how.threads) in ways
    assert loaded.engine.threads == how.threads
    assert how.buckets == (1,)
    assert how.p99.keys() == set(how.buckets)
    assert 0 < loaded.rate < how.throughput  # decoding costs something too
    pixels, _ = phantom(64, 64)
    np.testing.assert_allclose(how.probability, tiny_probability(pixels), atol=1e-6)
    np.testing.assert_allclose(
        loaded.engine.infer(pixels[np.newaxis])[0], how.probability, atol=1e-6
    )


@pytest.mark.parametrize(("unhelped", "threads"), [(0.0005, [2, 1]), (0.002, [2])])
def test_an_engine_without_help_takes_over_where_help_does_not_pay(
    tiny: Bundle, monkeypatch: pytest.MonkeyPatch, unhelped: float, threads: list[int]
) -> None:
    engines = []

    def remember(*arguments: Any, **more: Any) -> Selection:
        selection = load_engine(*arguments, **more)
        engines.append(selection.engine)
        return selection

    monkeypatch.setattr(loading_module, "load_engine", remember)
    monkeypatch.setattr(loading_module, "available_cores", lambda: 2)
    monkeypatch.setattr(loading_module, "time_alone", lambda *_, **__: (0.001, unhelped))
    loaded = load(tiny, choose_engine(tiny, device="cpu"))
    assert [engine.threads for engine in engines] == threads
    assert loaded.engine is engines[-1]
    assert (loaded.measurement.slots, loaded.measurement.threads) == (2, threads[-1])
    assert loaded.measurement.lone == min(0.001, unhelped)
    pixels = np.zeros((1, 64, 64, 3), np.uint8)
    assert loaded.engine.infer(pixels).shape == (1, 64, 64)
    for closed in engines[:-1]:
        with pytest.raises(AttributeError):
            closed.infer(pixels)


def test_largest_batch_may_be_named(tiny: Bundle) -> None:
    loaded = load(tiny, choose_engine(tiny, device="cpu"), max_batch=1)
    assert loaded.measurement.buckets == (1,)


def test_tensorflow_on_a_processor_has_one_slot(root: Path) -> None:
    pytest.importorskip("tensorflow")
    write_tiny_bundle(root, saved_model=True)
    bundle = load_bundle(root)
    loaded = load(bundle, choose_engine(bundle, "tensorflow", "cpu"))
    assert loaded.engine.name == "tensorflow"
    assert loaded.measurement.slots == 1


def test_damage_is_reported(root: Path) -> None:
    path = write_tiny_bundle(root)
    bundle = load_bundle(root)
    (path / "model.onnx").write_bytes(b"")
    with pytest.raises((BundleError, SelectionError)):
        load(bundle, choose_engine(bundle, device="cpu"))

"""A real engine, warmed and measured."""

from pathlib import Path

import numpy as np
import pytest

from app.imaging import phantom
from app.inference import (
    Bundle,
    BundleError,
    SelectionError,
    choose_engine,
    load_bundle,
)
from app.inference import loading as loading_module
from app.inference.loading import load
from tests.bundles import tiny_probability, write_tiny_bundle


@pytest.mark.parametrize(("cores", "way"), [(1, (1, 1)), (3, (3, 3))])
def test_engine_is_warm_and_used_in_a_way_that_was_measured(
    tiny: Bundle, monkeypatch: pytest.MonkeyPatch, cores: int, way: tuple[int, int]
) -> None:
    monkeypatch.setattr(loading_module, "available_cores", lambda: cores)
    loaded = load(tiny, choose_engine(tiny, device="cpu"))
    how = loaded.measurement
    assert (how.slots, how.threads) == way
    assert loaded.engine.threads == how.threads
    assert how.buckets == (1,)
    assert how.p99.keys() == set(how.buckets)
    assert 0 < loaded.rate < how.throughput  # decoding costs something too
    pixels, _ = phantom(64, 64)
    np.testing.assert_allclose(how.probability, tiny_probability(pixels), atol=1e-6)
    np.testing.assert_allclose(
        loaded.engine.infer(pixels[np.newaxis])[0], how.probability, atol=1e-6
    )


def test_an_engine_keeps_its_help_where_that_was_useless(
    tiny: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever else runs while a service starts does not run for ever.
    monkeypatch.setattr(loading_module, "available_cores", lambda: 2)
    monkeypatch.setattr(loading_module, "time_alone", lambda *_, **__: (0.004, 0.001))
    loaded = load(tiny, choose_engine(tiny, device="cpu"))
    how = loaded.measurement
    assert (how.slots, how.threads, how.lone, how.unhelped) == (2, 2, 0.004, 0.001)


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

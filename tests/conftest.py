"""What holds for all tests."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A busy machine is no reason to fail.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Without the garbage collector: what is gone then was in no circle of references."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()

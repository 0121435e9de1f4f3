"""The pace of the generator of an overload."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fire.overload import pace


@given(rate=st.floats(0.5, 5000))
def test_it_meets_the_rate_in_whole_milliseconds(rate: float) -> None:
    burst, period_ms = pace(rate)
    assert period_ms >= 1
    assert 1000 * burst / period_ms == pytest.approx(rate, rel=0.02)


def test_bursts_are_small() -> None:
    assert pace(100) == (1, 10)
    assert max(pace(rate)[0] for rate in range(50, 400)) <= 10

"""When help is withheld, on a clock that only the test moves."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.help import Help


class Clock:
    """Seconds that a test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock at 0."""
    return Clock()


def test_runs_that_are_not_late_change_nothing(clock: Clock) -> None:
    aid = Help(0.006, 0.010, clock)
    for seconds in (0.006, 0.012, 0.0149):
        assert aid.pays()
        aid.note(seconds)
    assert aid.pays()


def test_a_late_run_withholds_help_for_a_second(clock: Clock) -> None:
    aid = Help(0.006, 0.010, clock)
    aid.note(0.016)
    assert not aid.pays()
    clock.now = 0.99
    assert not aid.pays()
    clock.now = 1.0
    assert aid.pays()


def test_pauses_double_while_tries_are_late_and_begin_anew_once_one_is_not(clock: Clock) -> None:
    aid, pauses = Help(0.006, 0.010, clock), list[float]()
    for seconds in (*[0.3] * 7, 0.006, 0.3):
        assert aid.pays()
        began = clock.now
        aid.note(seconds)
        while not aid.pays():
            clock.now += 0.5
        pauses.append(clock.now - began)
    assert pauses == [1, 2, 4, 8, 16, 32, 32, 0, 1]


def test_help_that_was_useless_when_measured_has_to_prove_itself(clock: Clock) -> None:
    aid, pauses = Help(0.0111, 0.010, clock), list[float]()
    for seconds in (0.0111, 0.0111, 0.0109, 0.006, 0.0111):
        began = clock.now
        while not aid.pays():
            clock.now += 0.5
        pauses.append(clock.now - began)
        aid.note(seconds)
    assert pauses == [1, 2, 4, 0, 0]
    assert not aid.pays()


def test_a_tenth_is_no_difference_when_measured(clock: Clock) -> None:
    aid = Help(0.0109, 0.010, clock)
    assert aid.pays()
    aid.note(0.0149)
    assert aid.pays()


@given(st.lists(st.floats(0, 1e6), max_size=5))
def test_an_engine_without_a_measurement_is_always_helped(runs: list[float]) -> None:
    aid = Help(0.0, math.inf, Clock())
    for seconds in runs:
        aid.note(seconds)
        assert aid.pays()

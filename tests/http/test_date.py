"""The date of an answer is that of its second, and is made once in it."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from app.http.date import DatedState

NOON = datetime(2026, 2, 28, 12, tzinfo=UTC).timestamp()


def test_it_is_the_date_of_the_second() -> None:
    now = NOON
    state = DatedState(lambda: now)
    assert state.default_headers == [(b"date", b"Sat, 28 Feb 2026 12:00:00 GMT")]
    first = state.default_headers
    now = NOON + 0.999
    assert state.default_headers is first
    now = NOON + 1
    assert state.default_headers == [(b"date", b"Sat, 28 Feb 2026 12:00:01 GMT")]


def test_it_follows_the_clock_of_the_system() -> None:
    ((name, value),) = DatedState().default_headers
    assert name == b"date"
    assert abs((parsedate_to_datetime(value.decode()) - datetime.now(UTC)).total_seconds()) <= 2

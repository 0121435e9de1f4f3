"""What is kept about one request."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.telemetry.record import Record, request_id


@pytest.mark.parametrize("offered", ["a", "7f3c0a52-e2f8", "A.b_c~d-9", "x" * 64])
def test_well_formed_ids_are_taken_over(offered: str) -> None:
    assert request_id(offered) == offered


@pytest.mark.parametrize("offered", [None, "", "x" * 65, "a b", "a\r\nb", 'a"b', "é", "a/b"])
def test_other_ids_are_replaced(offered: str | None) -> None:
    assert re.fullmatch("[0-9a-f]{32}", request_id(offered))
    assert request_id(offered) != request_id(offered)


@given(st.text())
def test_an_id_is_always_safe_in_headers_and_logs(offered: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._~-]{1,64}", request_id(offered))


def test_server_timing_lists_the_stages_that_were_reached_and_the_total() -> None:
    record = Record("id", "POST", timings_ms={"infer": 13.94, "decode": 1.2, "surprise": 1.0})
    assert re.fullmatch(
        r"decode;dur=1\.20, infer;dur=13\.94, total;dur=\d+\.\d\d", record.server_timing()
    )


def test_fields_hold_what_is_known_and_nothing_else() -> None:
    record = Record("id", "POST", "tiny/1", status=200, bytes_in=0, timings_ms={"decode": 1.234})
    record.total_ms = 5.678
    assert record.fields() == {
        "request_id": "id",
        "method": "POST",
        "model": "tiny/1",
        "status": 200,
        "bytes_in": 0,
        "bytes_out": 0,
        "timing_ms": {"decode": 1.23, "total": 5.68},
    }
    record.aborted = True
    assert record.fields()["aborted"] is True

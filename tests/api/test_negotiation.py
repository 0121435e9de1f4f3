"""Which answer is sent for which `Accept` header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.negotiation import Format, negotiate
from app.api.problems import NotAcceptable


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, Format.PNG),
        ("", Format.PNG),
        ("   ", Format.PNG),
        ("*/*", Format.PNG),
        ("image/png", Format.PNG),
        ("image/*", Format.PNG),
        ("application/json", Format.JSON),
        ("application/*", Format.JSON),
        ("APPLICATION/JSON", Format.JSON),
        ("application/json;charset=utf-8", Format.JSON),
        # What axios sends: the exact range wins over the one that fits anything.
        ("application/json, text/plain, */*", Format.JSON),
        ("image/png, application/json", Format.PNG),
        ("application/json, image/png", Format.PNG),
        ("image/png;q=0.5, application/json", Format.JSON),
        ("image/png;q=0.5, application/json;q=0.4", Format.PNG),
        ("image/png; q=0, */*", Format.JSON),
        ("*/*;q=0.1, application/json;q=0", Format.PNG),
        ("*/*, application/json;q=0.9", Format.PNG),
        # What Firefox sends.
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format.PNG),
        ("nonsense, image/png", Format.PNG),
        ("/, image/, application/json", Format.JSON),
        (", ", Format.PNG),
        (", ,", Format.PNG),
    ],
)
def test_the_answer_that_is_asked_for(accept: str | None, expected: Format) -> None:
    assert negotiate(accept) is expected


@pytest.mark.parametrize(
    "accept",
    ["text/html", "image/jpeg", "*/*;q=0", "image/png;q=nonsense", "image/png;q=2", "nonsense"],
)
def test_nothing_acceptable_names_what_there_is(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="image/png and application/json"):
        negotiate(accept)


@given(st.text())
def test_any_header_gives_an_answer_or_a_refusal(accept: str) -> None:
    try:
        assert negotiate(accept) in (Format.PNG, Format.JSON)
    except NotAcceptable:
        assert accept.replace(",", "").strip()


def test_media_types() -> None:
    assert {fmt: fmt.media_type for fmt in Format} == {
        "png": "image/png",
        "json": "application/json",
        "overlay": "image/png",
        "probability": "image/png",
    }

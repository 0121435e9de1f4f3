"""API keys and their digests."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.keys import digest, is_known, parse_digests

ONE = hashlib.sha256(b"one").hexdigest()
TWO = hashlib.sha256(b"two").hexdigest()


def test_digest_is_what_sha256sum_prints() -> None:
    assert digest("one") == ONE


@pytest.mark.parametrize(
    "text",
    [
        f"{ONE},{TWO}",
        f"{ONE.upper()}\n{TWO}\n",
        f"{ONE}  -\n{TWO} *-\n",  # as sha256sum prints them
        f"# keys\n{ONE} # the viewer\n\n  {TWO}  # the archive, read only\n",
    ],
)
def test_lists_of_digests(text: str) -> None:
    assert parse_digests(text) == {ONE, TWO}


@pytest.mark.parametrize("text", ["", "  \n", "# nothing", ","])
def test_no_digests(text: str) -> None:
    assert parse_digests(text) == frozenset()


@pytest.mark.parametrize("text", ["secret-key", ONE[:-1], f"{ONE}, x", ONE + "0", f"{ONE}  file"])
def test_what_is_no_digest_is_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="sha256sum") as error:
        parse_digests(text)
    assert text not in str(error.value)


@given(st.text(), st.lists(st.text(), max_size=4))
def test_a_key_is_known_exactly_when_it_was_digested(key: str, others: list[str]) -> None:
    digests = frozenset(map(digest, others))
    assert is_known(key.encode(), digests) is (key in others)

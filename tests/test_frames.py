"""What is left of the frames of exceptions."""

import pytest

from app.frames import causes, describe_frames, forget_frames, keep_frames


def fail(word: str) -> None:
    raise ValueError(word)


def wrap(word: str) -> None:
    try:
        fail(word)
    except ValueError as error:
        raise KeyError(word) from error


@pytest.fixture
def error() -> KeyError:
    with pytest.raises(KeyError) as caught:
        wrap("a patient")
    return caught.value


def functions(error: BaseException) -> list[list[str]]:
    return [[frame.split()[-1] for frame in describe_frames(one)] for one in causes(error)]


def test_places_without_words(error: KeyError) -> None:
    assert functions(error) == [["error", "wrap"], ["wrap", "fail"]]
    assert "patient" not in str([describe_frames(one) for one in causes(error)])


def test_what_is_kept_is_still_told_when_the_frames_are_forgotten(error: KeyError) -> None:
    keep_frames(error)
    forget_frames(error)
    assert [one.__traceback__ for one in causes(error)] == [None, None]
    assert functions(error) == [["error", "wrap"], ["wrap", "fail"]]


def hide(word: str) -> None:
    try:
        fail(word)
    except ValueError:
        raise KeyError from None


def test_hidden_causes_are_forgotten_and_not_told() -> None:
    with pytest.raises(KeyError) as caught:
        hide("x")
    hidden = caught.value.__context__
    assert hidden is not None
    assert list(causes(caught.value)) == [caught.value]
    forget_frames(caught.value)
    assert hidden.__traceback__ is None


def test_causes_that_go_in_a_circle_end() -> None:
    first, second = ValueError(), KeyError()
    first.__context__, second.__cause__ = second, first
    assert list(causes(first)) == [first, second]
    forget_frames(first)
    forget_frames(None)

"""The frames of exceptions: what the log tells of them, and how to let go of them."""

from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

_KEPT: Final = "_frames_as_text"


def causes(error: BaseException | None, *, hidden: bool = False) -> Iterator[BaseException]:
    """Yield an exception and what it came from, innermost last.

    Args:
        error: The exception.
        hidden: Also what was hidden by `raise ... from None`.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        context = None if error.__suppress_context__ and not hidden else error.__context__
        error = error.__cause__ or context


def describe_frames(error: BaseException) -> list[str]:
    """Return where an exception came by, outermost first, as `FILE:LINE FUNCTION`."""
    if (kept := vars(error).get(_KEPT)) is not None:
        return list(kept)
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        place = "/".join(PurePath(code.co_filename).parts[-3:])
        frames.append(f"{place}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return frames


def keep_frames(error: BaseException) -> None:
    """Keep for `describe_frames` what it tells now, for when the frames are forgotten."""
    for one in causes(error):
        vars(one)[_KEPT] = describe_frames(one)


def forget_frames(error: BaseException | None) -> None:
    """Break the circle of an exception that is a variable of a frame that it passed.

    The frames hold the image, until the garbage collector comes.
    """
    for one in causes(error, hidden=True):
        one.__traceback__ = None

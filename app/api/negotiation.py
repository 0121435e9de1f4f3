"""Which answer the caller wants: by ``?format=``, else by ``Accept`` (RFC 9110, 12.5.1)."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from app.api.problems import NotAcceptable


class Format(StrEnum):
    """What an answer to a prediction can be."""

    PNG = "png"
    JSON = "json"
    OVERLAY = "overlay"
    PROBABILITY = "probability"

    @property
    def media_type(self) -> str:
        """The media type of the answer."""
        return "application/json" if self is Format.JSON else "image/png"


# The formats that `Accept` can tell apart, the preferred one first.
NEGOTIABLE: Final = (Format.PNG, Format.JSON)


class _Range(NamedTuple):
    """A media range of an ``Accept`` header with its weight."""

    kind: str
    subtype: str
    weight: float

    def specificity(self, media_type: str) -> int:
        """How closely the range fits: 2 exactly, 1 by kind, 0 as anything, -1 not at all."""
        kind, _, subtype = media_type.partition("/")
        if (self.kind, self.subtype) == (kind, subtype):
            return 2
        if (self.kind, self.subtype) == (kind, "*"):
            return 1
        return 0 if (self.kind, self.subtype) == ("*", "*") else -1


def negotiate(accept: str | None) -> Format:
    """Choose the answer that an ``Accept`` header asks for.

    The highest weight wins, then the most specific range, then PNG. No header, an empty one and
    ``*/*`` mean PNG.

    Raises:
        NotAcceptable: The header leaves nothing.
    """
    if accept is None or accept == "*/*":  # nearly everybody, and nothing to parse
        return Format.PNG
    # Empty elements of a list count for nothing (RFC 9110, 5.6.1).
    if not accept.replace(",", "").strip():
        return Format.PNG
    ranges = list(_parse(accept))

    def preference(offer: Format) -> tuple[float, int]:
        specificity, weight = max(
            ((r.specificity(offer.media_type), r.weight) for r in ranges), default=(-1, 0.0)
        )
        return (weight, specificity) if specificity >= 0 else (0.0, -1)

    best = max(NEGOTIABLE, key=preference)
    if preference(best)[0] == 0:
        offers = " and ".join(offer.media_type for offer in NEGOTIABLE)
        raise NotAcceptable(f"'Accept' allows none of the types that can be sent: {offers}.")
    return best


def _parse(accept: str) -> Iterator[_Range]:
    """Read the ranges of a header, leaving out what is not well-formed."""
    for item in accept.split(","):
        media_range, *parameters = (part.strip().lower() for part in item.split(";"))
        kind, slash, subtype = media_range.partition("/")
        if not (kind and slash and subtype):
            continue
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                weight = _weight(value.strip())
        yield _Range(kind, subtype, weight)


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0

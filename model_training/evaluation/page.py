"""A Markdown page whose tables are written by a program and whose sentences are not."""

import re
from collections.abc import Iterable, Mapping, Sequence

_BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


class PageError(Exception):
    """A page and its tables do not fit; the message is one line."""


def fill(page: str, tables: Mapping[str, str]) -> str:
    """Put tables between their marks, `<!-- table: NAME -->` and `<!-- end -->`.

    Args:
        page: Markdown; what stands outside of marks stays.
        tables: Markdown by name.

    Raises:
        PageError: A mark has no table or a table no mark.
    """
    marks = {name for _, name, _ in _BLOCK.findall(page)}
    if marks != tables.keys():
        raise PageError(f"Marks and tables differ in: {', '.join(sorted(marks ^ tables.keys()))}.")
    return _BLOCK.sub(lambda mark: f"{mark[1]}{tables[mark[2]]}\n{mark[3]}", page)


def markdown(heading: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Write a table; without lines, that nothing was measured."""
    rows = [heading, ("---",) * len(heading), *lines]
    if len(rows) == 2:
        return "Not measured yet."
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)

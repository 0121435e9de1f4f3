"""Tables between marks; sentences stay as they are."""

import pytest

from model_training.evaluation.page import PageError, fill, markdown

PAGE = """# Title

<!-- table: first -->
old
<!-- end -->

By hand.

<!-- table: second -->
<!-- end -->
"""


def test_tables_are_replaced_and_sentences_stay() -> None:
    filled = fill(PAGE, {"first": "| a |", "second": r"a \1 b"})
    assert filled == PAGE.replace("old", "| a |").replace(
        "<!-- table: second -->\n", "<!-- table: second -->\na \\1 b\n"
    )
    assert fill(filled, {"first": "old", "second": "x"}).count("By hand.") == 1


@pytest.mark.parametrize("names", [["first"], ["first", "second", "third"], []])
def test_a_mark_without_a_table_or_the_other_way_round(names: list[str]) -> None:
    with pytest.raises(PageError, match="Marks and tables differ in: ") as error:
        fill(PAGE, dict.fromkeys(names, ""))
    assert set(str(error.value)[:-1].split(": ")[1].split(", ")) == {"first", "second"} ^ set(names)


def test_a_table_is_markdown() -> None:
    assert markdown(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert markdown(("a", "b"), []) == "Not measured yet."

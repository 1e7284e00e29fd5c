import pytest

from revsearch.errors import InvalidSpec
from revsearch.storage.tables.roles import table_roles
from revsearch.storage.tables.rows import Rows


def role(**values: str | None) -> str | None:
    rows = Rows([7], {name: [value] for name, value in values.items()})
    (found,) = table_roles(rows, tuple(values), "list.csv line")
    return found


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("query", "query"),
        ("Queries", "query"),
        ("gallery", "gallery"),
        (" distractor ", "distractor"),
        ("distractors", "distractor"),
        ("TRAIN", "train"),
        ("", None),
        (None, None),
    ],
)
def test_roles_and_splits_as_written(written: str | None, expected: str | None) -> None:
    assert role(role=written) == expected
    assert role(split=written) == expected


@pytest.mark.parametrize("split", ["test", "val", "valid", "validation"])
def test_a_held_out_split_leaves_the_role_to_the_flags(split: str) -> None:
    assert role(split=split) is None
    assert role(split=split, is_query="1", is_gallery="0") == "query"


@pytest.mark.parametrize(
    ("is_query", "is_gallery", "expected"),
    [
        ("1", "0", "query"),
        ("True", "", "query"),
        ("false", "TRUE", "gallery"),
        ("1", "1", "gallery"),
        ("0", None, "gallery"),
        (None, "0", "query"),
        (None, "1", "gallery"),
        (None, None, None),
    ],
)
def test_flags(is_query: str | None, is_gallery: str | None, expected: str | None) -> None:
    assert role(is_query=is_query, is_gallery=is_gallery) == expected


def test_one_flag_alone() -> None:
    assert [role(is_query="1"), role(is_query="0"), role(is_gallery="1"), role(is_gallery="0")] == [
        "query",
        "gallery",
        "gallery",
        "query",
    ]


def test_a_split_that_is_a_role_goes_before_flags() -> None:
    assert role(split="train", is_query="0", is_gallery="0") == "train"


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"role": "qeury"}, "role: expected one of query"),
        ({"role": "test"}, "role: expected one of query"),
        ({"split": "fold3"}, "split: expected one of query"),
        ({"is_query": "yes"}, "is_query: expected 1, 0, true or false; found 'yes'"),
        ({"is_query": "1", "is_gallery": "2"}, "is_gallery: expected"),
        ({"is_query": "0", "is_gallery": "0"}, "found neither"),
    ],
)
def test_anything_else_is_refused_with_its_line(values: dict[str, str], found: str) -> None:
    with pytest.raises(InvalidSpec, match=f"list.csv line 7: .*{found}"):
        role(**values)


def test_the_first_wrong_line_is_named() -> None:
    rows = Rows([2, 3, 5, 9], {"role": ["query", "x", "y", "x"]})
    with pytest.raises(InvalidSpec, match="line 3: "):
        table_roles(rows, ("role",), "list.csv line")


def test_without_columns_nothing_is_said() -> None:
    assert table_roles(Rows([1, 2], {"uri": ["a", "b"]}), (), "list.csv line") == [None, None]

import dataclasses
from typing import Any

import numpy as np
import pytest

from revsearch.errors import InvalidSpec
from revsearch.manifest import Manifest, content_keys


def column(*values: str | None) -> np.ndarray:
    return np.array(values, object)


def manifest() -> Manifest:
    """Three rows: all that can be known of one, a location of its own, and nothing but what every row has."""
    return Manifest(
        ids=column("ape/1.jpg", "ape/2.jpg", "c.jpg"),
        locations=column(None, "/elsewhere/2.jpg", None),
        contents=np.arange(96, dtype=np.uint8).reshape(3, 32),
        sizes=np.array([10, 20, 30]),
        roles=column("gallery", "query", "distractor"),
        labels=column("ape", "ape", None),
        groups=column("g1", None, None),
        extra={"camera": column("1", None, None)},
    )


def test_a_row_is_a_view_of_its_columns() -> None:
    first, second, third = (manifest()[row] for row in range(3))
    assert (first.id, first.location, first.size, first.role) == ("ape/1.jpg", "ape/1.jpg", 10, "gallery")
    assert (first.label, first.group, first.extra) == ("ape", "g1", {"camera": "1"})
    assert (second.id, second.location) == ("ape/2.jpg", "/elsewhere/2.jpg")
    assert (third.label, third.group, third.extra) == (None, None, {})
    assert third.content == bytes(range(64, 96))


@pytest.mark.parametrize("rows", [np.array([2, 0]), np.array([], np.int64), slice(1, None), np.array([1, 1])])
def test_rows_are_taken_in_the_order_asked_for(rows: np.ndarray | slice) -> None:
    whole = manifest()
    taken = whole.take(rows)
    expected = np.arange(3)[rows]
    assert [taken[place] for place in range(len(taken))] == [whole[int(row)] for row in expected]


@pytest.mark.parametrize("name", ["ids", "locations", "contents", "sizes", "roles", "labels", "groups", "extra"])
def test_a_column_of_another_length_is_refused_by_name(name: str) -> None:
    whole = manifest()
    short: Any = {"camera": column("1")} if name == "extra" else getattr(whole, name)[:2]
    found = {"ids": "contents", "contents": "contents", "extra": "extra:camera"}.get(name, name)
    with pytest.raises(InvalidSpec, match=found):
        dataclasses.replace(whole, **{name: short})


CHANGES: dict[str, Any] = {
    "ids": column("ape/1.jpg", "ape/2.jpg", "d.jpg"),
    "locations": column(None, "/elsewhere/2.jpg", "/c.jpg"),
    "contents": np.zeros((3, 32), np.uint8),
    "roles": column("gallery", "query", "train"),
    "labels": column("ape", "ape", "bee"),
    "groups": column("g1", None, "g2"),
    "extra": {"camera": column("1", None, "2")},
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_row_is_makes_its_identity(name: str) -> None:
    changed = dataclasses.replace(manifest(), **{name: CHANGES[name]})
    assert list(changed.row_bytes()) != list(manifest().row_bytes())


def test_sizes_and_columns_without_values_do_not_count() -> None:
    whole = manifest()
    changed = dataclasses.replace(
        whole, sizes=np.array([1, 2, 3]), extra={**whole.extra, "empty": column(None, None, None)}
    )
    assert list(changed.row_bytes()) == list(whole.row_bytes())


def test_a_missing_label_is_not_an_empty_one_and_values_do_not_run_together() -> None:
    rows = [("a", None, None), ("a", "", None), ("a", None, ""), ("a", "b", "c"), ("a", "bc", ""), ("ab", "c", None)]
    built = Manifest(
        ids=column(*(id for id, _, _ in rows)),
        locations=column(*[None] * len(rows)),
        contents=np.zeros((len(rows), 32), np.uint8),
        sizes=np.zeros(len(rows), np.int64),
        roles=column(*["gallery"] * len(rows)),
        labels=column(*(label for _, label, _ in rows)),
        groups=column(*(group for _, _, group in rows)),
    )
    assert len(set(built.row_bytes())) == len(rows)


def test_content_keys_are_equal_exactly_where_all_32_bytes_are() -> None:
    rng = np.random.default_rng(0)
    contents = rng.integers(0, 2, (200, 32), np.uint8)
    contents[:, 3:31] = 0  # few kinds, which differ also in the last byte, and hold zeros
    keys = content_keys(contents[:, ::-1])  # not contiguous
    kinds = [row.tobytes() for row in contents[:, ::-1]]
    unique, inverse = np.unique(keys, return_inverse=True)
    assert len(unique) == len(set(kinds))
    for left, right in rng.integers(0, 200, (300, 2)):
        assert (inverse[left] == inverse[right]) == (kinds[left] == kinds[right])
    assert content_keys(np.empty((0, 32), np.uint8)).shape == (0,)

"""Common images held against plain loops over all pairs."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from revsearch import overlap as module
from revsearch.errors import InvalidSpec
from revsearch.overlap import EQUAL, NEAR_BITS, ImageSet, equal_contents, nearest_hashes, overlap, require_disjoint


def contents(*values: int) -> NDArray[np.uint8]:
    return np.array([[value] * 32 for value in values], np.uint8).reshape(-1, 32)


def hashes(*values: int) -> NDArray[np.uint64]:
    return np.array(values, np.uint64)


def images(name: str, content: tuple[int, ...], hash: tuple[int, ...] | None = None) -> ImageSet:
    ids = np.array([f"{name}{place}" for place in range(len(content))], object)
    return ImageSet(f"{name} images", ids, contents(*content), None if hash is None else hashes(*hash))


def telling(hash: int) -> bool:
    return NEAR_BITS < hash.bit_count() < 64 - NEAR_BITS


def naive_nearest(left: list[int], right: list[int]) -> list[tuple[int, int]]:
    found = []
    for one in left:
        best = (-1, 64)
        for row, other in enumerate(right):
            if telling(one) and telling(other) and (one ^ other).bit_count() < best[1]:
                best = (row, (one ^ other).bit_count())
        found.append(best)
    return found


# Few bits, so that hashes meet; half of them telling, all the ways to the edge.
few = st.lists(st.sampled_from([0, 7, 15, 0b1111 << 30, 0xFF, 0xFE, 2**64 - 1, 2**64 - 16, 2**40 - 1]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(few, few)
def test_nearest_is_that_of_plain_loops(left: list[int], right: list[int]) -> None:
    rows, distances = nearest_hashes(hashes(*left), hashes(*right))
    assert list(zip(rows.tolist(), distances.tolist(), strict=True)) == naive_nearest(left, right)


def test_nearest_over_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEFT_BLOCK", 7)
    monkeypatch.setattr(module, "_RIGHT_BLOCK", 5)
    random = np.random.default_rng(0)
    left, right = random.integers(0, 2**64, 40, np.uint64), random.integers(0, 2**64, 33, np.uint64)
    right[17] = right[29] = left[3]
    rows, distances = nearest_hashes(left, right)
    assert list(zip(rows.tolist(), distances.tolist(), strict=True)) == naive_nearest(left.tolist(), right.tolist())
    assert (rows[3], distances[3]) == (17, 0)


def test_blank_pictures_are_near_to_none() -> None:
    blank = hashes(0, 7, 2**64 - 1)
    assert nearest_hashes(blank, blank)[0].tolist() == [-1, -1, -1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=12), st.lists(st.integers(0, 9), max_size=12))
def test_equal_contents_are_those_of_plain_loops(left: list[int], right: list[int]) -> None:
    expected = [right.index(value) if value in right else -1 for value in left]
    assert equal_contents(contents(*left), contents(*right)).tolist() == expected


def test_equal_bytes_go_before_near_hashes() -> None:
    left = images("l", (1, 2, 3, 4), (0xFF, 0xFF00, 0xFF0000, 0xFF000000))
    right = images("r", (9, 1, 8), (0xFF, 0xFFFF0000, 0xFF03))
    found = overlap(left, right)
    assert found.left.tolist() == [0, 1]
    assert found.right.tolist() == [1, 2]
    assert found.distances.tolist() == [EQUAL, 2]


@pytest.mark.parametrize("bits", [NEAR_BITS, NEAR_BITS + 1])
def test_near_ends_where_it_was_measured_to_end(bits: int) -> None:
    found = overlap(images("l", (1,), (0xFFFF,)), images("r", (2,), (0xFFFF ^ (2**bits - 1),)))
    assert len(found) == (bits <= NEAR_BITS)


def test_without_hashes_only_bytes_count() -> None:
    assert len(overlap(images("l", (1,), (0xFFFF,)), images("r", (2,)))) == 0
    assert len(overlap(images("l", (1,)), images("r", (1,), (0xFFFF,)))) == 1


@pytest.mark.parametrize(("left", "right"), [((), (1,)), ((1,), ()), ((), ())])
def test_empty_sets_are_disjoint(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    require_disjoint(images("l", left, left), images("r", right, right), asked="--never", fix="do not")


def test_the_message_says_how_many_which_and_what_to_do() -> None:
    n = 7
    left = images("l", (*range(n), 50, 51), (*[0] * n, 0xFF00, 0xFF0000))
    right = images("r", (*range(n), 60), (*[0] * n, 0xFE00))
    with pytest.raises(InvalidSpec) as caught:
        require_disjoint(left, right, asked="--never", fix="Leave them out.")
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        "--never: expected none of the l images among the r images, found 8 of 9 "
        "(equal bytes: 7, near copies: 1); first:"
    )
    assert lines[1:6] == [f"  'l{place}' and 'r{place}'" for place in range(5)]
    assert lines[6:] == ["Leave them out."]


def test_names_stay_on_their_line() -> None:
    left = ImageSet("left", np.array(["a\nb\x1b[31m"], object), contents(1))
    with pytest.raises(InvalidSpec) as caught:
        require_disjoint(left, images("r", (1,)), asked="--never", fix="x")
    assert re.search(r"'a\\nb\\x1b\[31m' and 'r0'", str(caught.value))


def test_a_near_pair_says_how_near() -> None:
    with pytest.raises(InvalidSpec, match=r"'l0' and 'r0' \(1 of 64 bits apart\)"):
        require_disjoint(images("l", (1,), (0xFF00,)), images("r", (2,), (0xFE00,)), asked="--never", fix="x")

"""The rows and vectors of both sides of a ranking: no Ray."""

from pathlib import Path
from typing import Any

import numpy as np

from revsearch.protocols import rules
from revsearch.stages.sides import in_id_order, join_sides, read_side
from revsearch.storage.local import LocalStore

COMPETITION = rules("competition")


def test_a_side_is_what_was_embedded_of_its_roles(store: LocalStore, by_hand: Any, tmp_path: Path) -> None:
    vectors = np.arange(12, dtype=np.float32).reshape(6, 2)
    vectors[1] = np.nan
    manifest = by_hand.manifest(
        list("fedcba"),
        roles=["gallery", "gallery", "query", "distractor", "train", "gallery"],
        labels=["x", "x", "x", "y", "x", "z"],
        block_rows=2,
    )
    embedded = by_hand.embeddings(manifest, vectors, part_rows=4)
    gallery = read_side(store, str(embedded), None, COMPETITION, tmp_path)
    assert gallery.rows.ids.tolist() == ["f", "c", "a"]
    assert gallery.keys.tolist() == ["x", None, "z"]  # distractors match nothing
    assert np.array_equal(gallery.vectors, vectors[[0, 3, 5]])
    assert gallery.known_ids == set("abcdef")
    assert gallery.manifests == {str(manifest)}
    queries = read_side(store, str(embedded), np.array([2]), COMPETITION, tmp_path)
    assert (queries.rows.ids.tolist(), queries.vectors.tolist()) == (["d"], [[4, 5]])
    ordered = in_id_order(gallery, tmp_path)
    assert ordered.rows.ids.tolist() == ["a", "c", "f"]
    assert (ordered.keys.tolist(), ordered.vectors.tolist()) == (["z", None, "x"], vectors[[5, 3, 0]].tolist())


def test_sides_are_joined_in_order(store: LocalStore, by_hand: Any, tmp_path: Path) -> None:
    sides = []
    for names, start in (("bd", 0.0), ("ac", 10.0)):
        vectors = start + np.arange(4, dtype=np.float32).reshape(2, 2)
        embedded = by_hand.embeddings(by_hand.manifest(list(names), labels=list(names)), vectors)
        sides.append(read_side(store, str(embedded), None, COMPETITION, tmp_path))
    joined = join_sides(sides, tmp_path)
    assert joined.rows.ids.tolist() == ["b", "d", "a", "c"]
    assert joined.vectors[:, 0].tolist() == [0, 2, 10, 12]
    assert joined.manifests == sides[0].manifests | sides[1].manifests
    ordered = in_id_order(joined, tmp_path)
    assert ordered.rows.ids.tolist() == ordered.keys.tolist() == ["a", "b", "c", "d"]
    assert ordered.vectors[:, 0].tolist() == [10, 0, 12, 2]


def test_one_side_in_order_is_left_as_it_is(store: LocalStore, by_hand: Any, tmp_path: Path) -> None:
    embedded = by_hand.embeddings(by_hand.manifest(["a", "b"]), np.eye(2, dtype=np.float32))
    side = read_side(store, str(embedded), None, COMPETITION, tmp_path)
    assert join_sides([side], tmp_path) is side
    assert in_id_order(side, tmp_path) is side

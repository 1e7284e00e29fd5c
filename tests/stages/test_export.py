"""Artifacts in forms that other programs read: no Ray."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revsearch.errors import InvalidSpec
from revsearch.stages.export import export_npy
from revsearch.storage.local import LocalStore


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_vectors_ids_and_rejects(
    store: LocalStore, by_hand: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("revsearch.stages.export._WRITTEN_AT_ONCE", at_once)
    ids = ["z\n.png", "=cmd()", "é🦍", "a", "1e308", "@lost"]
    vectors = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    vectors[5] = np.nan
    embedded = by_hand.embeddings(by_hand.manifest(ids), vectors, part_rows=2)
    export_npy(store, embedded, tmp_path / "new" / "out")
    out = tmp_path / "new" / "out"
    found = np.load(out / "vectors.npy")
    assert found.dtype == np.float32
    assert np.array_equal(found, vectors[:5])
    assert [json.loads(line) for line in (out / "ids.jsonl").read_text().splitlines()] == ids[:5]
    with (out / "rejects.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["id", "reason", "message"], ["'@lost", "not_finite", "made so"]]


def test_again_over_what_is_there(store: LocalStore, by_hand: Any, tmp_path: Path) -> None:
    for n in (4, 2):
        embedded = by_hand.embeddings(by_hand.manifest([f"{n}-{row}" for row in range(n)]), np.eye(n, dtype=np.float32))
        export_npy(store, embedded, tmp_path)
        assert np.load(tmp_path / "vectors.npy").shape == (n, n)
        assert len((tmp_path / "ids.jsonl").read_text().splitlines()) == n


def test_where_nothing_can_be_written(store: LocalStore, by_hand: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    embedded = by_hand.embeddings(by_hand.manifest(["a"]), np.ones((1, 2), np.float32))
    with pytest.raises(InvalidSpec, match=r"--out .*file/out: cannot be written"):
        export_npy(store, embedded, tmp_path / "file" / "out")

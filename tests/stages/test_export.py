"""Artifacts in forms that other programs read: no Ray."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revsearch.descriptors.color_histogram import SPACE
from revsearch.errors import CorruptArtifact, InvalidSpec
from revsearch.space import EmbeddingSpace
from revsearch.stages.export import export_npy, export_safetensors
from revsearch.storage.artifact import Artifact, Draft
from revsearch.storage.card import Counts
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


@pytest.fixture
def trained(store: LocalStore) -> Artifact:
    """An encoder, its weights a few bytes."""
    draft = Draft(store, "encoder", "0123456789ab", {}, {})
    parts = [draft.put("weights", ".safetensors", b"weights"), draft.put("history", ".json", b"{}")]
    return draft.commit(Counts(1, 1), parts, facts={"space": SPACE.to_dict()})


def test_weights_and_their_space(store: LocalStore, trained: Artifact, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    export_safetensors(store, trained, out)
    assert (out / "weights.safetensors").read_bytes() == b"weights"
    assert EmbeddingSpace.from_dict(json.loads((out / "space.json").read_text())) == SPACE
    export_safetensors(store, trained, out)  # again, over what is there


def test_weights_where_nothing_can_be_written(store: LocalStore, trained: Artifact, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidSpec, match=r"--out .*file/out: cannot be written"):
        export_safetensors(store, trained, tmp_path / "file" / "out")


def test_weights_that_are_gone(store: LocalStore, trained: Artifact, tmp_path: Path) -> None:
    store.delete(f"{trained}/{trained.part('weights').name}")
    with pytest.raises(CorruptArtifact, match="is gone"):
        export_safetensors(store, trained, tmp_path / "out")
    assert not (tmp_path / "out").exists()

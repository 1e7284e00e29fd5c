"""Pictures ranked in this process: no Ray."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revsearch.descriptors.color_histogram import SPACE
from revsearch.errors import InvalidSpec
from revsearch.stages import search as module
from revsearch.stages.search import search
from revsearch.storage.artifact import Artifact
from revsearch.storage.local import LocalStore
from tests.servers.server import Server

N = 40


@pytest.fixture
def folder(tmp_path: Path, make_picture: Callable[..., bytes], write_files: Callable[..., Path]) -> Path:
    """More pictures than one batch, in two folders."""
    return write_files(tmp_path / "in", {f"{'ab'[n % 2]}/{n:02}.png": make_picture(n) for n in range(N)})


@pytest.fixture
def index(by_hand: Any, folder: Path, naive_vectors: Callable[..., Any]) -> Artifact:
    """Over all of them, each under its path below the folder."""
    ids = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    vectors = naive_vectors([(folder / id).read_bytes() for id in ids])
    made: Artifact = by_hand.index(by_hand.embeddings(by_hand.manifest(ids, root=folder), vectors, encoder_space=SPACE))
    return made


@pytest.fixture
def firsts(store: LocalStore, index: Artifact, no_ray: None) -> Callable[..., dict[str, str]]:
    """Search, and return the best id of each query."""

    def firsts(*queries: str | Path) -> dict[str, str]:
        found = search(queries, index=str(index), store=store.root, k=3)
        return {query: ids[0] for query, ids, _ in found}

    return firsts


def test_every_picture_of_a_folder_finds_itself(folder: Path, firsts: Callable[..., dict[str, str]]) -> None:
    found = firsts(folder)
    assert len(found) == N
    assert all(query == str(folder / id) for query, id in found.items())


def test_a_picture_given_twice_is_one_query(folder: Path, firsts: Callable[..., dict[str, str]]) -> None:
    one, other = folder / "a/00.png", folder / "b/01.png"
    assert firsts(one, str(one), other, f"{folder}/./a/00.png") == {str(one): "a/00.png", str(other): "b/01.png"}
    assert len(firsts(folder / "a", one, folder)) == N


def test_one_path_is_one_query(folder: Path, store: LocalStore, index: Artifact) -> None:
    found = search(str(folder / "a/00.png"), index=str(index), store=str(store.root), k=10**9)
    assert (found.query_ids.tolist(), found.k) == ([str(folder / "a/00.png")], N)


def test_bad_files_of_a_folder_are_left_out_with_a_warning(
    folder: Path, firsts: Callable[..., dict[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "a/empty.png").write_bytes(b"")
    (folder / "b/text.jpg").write_bytes(b"<html>not found</html>")
    (folder / "loop").symlink_to(".")
    with caplog.at_level(logging.WARNING):
        assert len(firsts(folder)) == N
    said = sorted(record.getMessage() for record in caplog.records)
    assert [(str(folder / name) in line, reason in line) for name, reason, line in zip(
        ("a/empty.png", "b/text.jpg", "loop"), ("empty", "not_an_image", "symlink"), said, strict=True
    )] == [(True, True)] * 3  # fmt: skip


def test_a_bad_file_that_is_named_is_refused(
    folder: Path, tmp_path: Path, firsts: Callable[..., dict[str, str]]
) -> None:
    bad = folder / "a/empty.png"
    bad.write_bytes(b"")
    for queries in ((bad,), (folder, bad), (bad, folder)):
        with pytest.raises(InvalidSpec, match=f"{bad}: expected a picture, found empty"):
            firsts(*queries)
    for gone in (str(tmp_path / "gone.jpg"), "a" * 300):
        with pytest.raises(InvalidSpec, match=f"{gone}: expected a picture, found missing"):
            firsts(gone)


def test_vectors_that_cannot_be_compared_are_treated_like_bad_files(
    folder: Path, firsts: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        module, "open_encoder", lambda space, store: lambda pixels: np.zeros((len(pixels), space.dim), np.float32)
    )
    with pytest.raises(InvalidSpec, match="its vector cannot be compared: zero_norm"):
        firsts(folder / "a/00.png")
    with pytest.raises(InvalidSpec, match=f"expected pictures to search with, found none among {N} files"):
        firsts(folder)


def test_pictures_are_held_a_batch_at_a_time(
    folder: Path, firsts: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, open_encoder = [], module.open_encoder

    def counting(*arguments: Any) -> Any:
        encoder = open_encoder(*arguments)
        return lambda pixels: (sizes.append(len(pixels)), encoder(pixels))[1]

    monkeypatch.setattr(module, "open_encoder", counting)
    firsts(folder)
    assert sizes == [32, 8]


@pytest.mark.parametrize(("queries", "k", "said"), [([], 3, "found none"), (["x.jpg"], 0, "expected at least 1")])
def test_nothing_to_ask(store: LocalStore, index: Artifact, queries: list[str], k: int, said: str) -> None:
    with pytest.raises(InvalidSpec, match=said):
        search(queries, index=str(index), store=store.root, k=k)


def test_objects_and_prefixes_are_searched_with_as_files_and_folders_are(
    folder: Path, firsts: Callable[..., dict[str, str]], moto: Server, in_environment_of: Callable[..., None]
) -> None:
    in_environment_of(moto)
    ids = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    bucket = moto.fill(moto.make_bucket(), {id: (folder / id).read_bytes() for id in ids} | {"notes.txt": b"x"})
    assert firsts(bucket) == {f"{bucket}/{id}": id for id in ids}
    assert firsts(f"{bucket}/a/00.png", folder / "b/01.png") == {
        f"{bucket}/a/00.png": "a/00.png",
        str(folder / "b/01.png"): "b/01.png",
    }
    with pytest.raises(InvalidSpec, match=f"{bucket}/gone.png: expected a picture, found missing"):
        firsts(f"{bucket}/gone.png")

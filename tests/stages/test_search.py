"""A few pictures ranked in this process: no Ray, nothing written."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch import search
from revsearch.descriptors.color_histogram import SPACE
from revsearch.errors import CorruptArtifact, InvalidSpec, MissingArtifact
from revsearch.storage.artifact import Artifact
from revsearch.storage.local import LocalStore
from revsearch.storage.rank_lists import StoredRankings

N_GALLERY, N_QUERIES = 12, 3


@pytest.fixture(scope="module")
def files(make_picture: Callable[..., bytes]) -> dict[str, bytes]:
    made = {f"g{n:02}.png": make_picture(n) for n in range(N_GALLERY)}
    made |= {"g-copy.png": made["g03.png"]}
    return made | {f"q{n}.jpg": make_picture(n, (90, 70), "JPEG") for n in range(N_QUERIES)}


@pytest.fixture(scope="module")
def folder(module_path: Path, files: dict[str, bytes], write_files: Callable[..., Path]) -> Path:
    return write_files(module_path / "in", files)


@pytest.fixture(scope="module")
def shared(module_path: Path) -> LocalStore:
    return LocalStore(module_path / "store")


@pytest.fixture(scope="module")
def embedded(
    folder: Path,
    files: dict[str, bytes],
    shared: LocalStore,
    by_hand_in: Callable[..., Any],
    naive_vectors: Callable[..., NDArray[np.float32]],
) -> Artifact:
    hand, roles = by_hand_in(shared), ["gallery" if id.startswith("g") else "query" for id in files]
    manifest = hand.manifest(list(files), root=folder, roles=roles)
    made: Artifact = hand.embeddings(manifest, naive_vectors(list(files.values())), encoder_space=SPACE)
    return made


@pytest.fixture(scope="module", params=["cosine", "l2"])
def index(
    request: pytest.FixtureRequest, shared: LocalStore, embedded: Artifact, by_hand_in: Callable[..., Any]
) -> Artifact:
    made: Artifact = by_hand_in(shared).index(embedded, metric=request.param)
    return made


@pytest.fixture
def queries(folder: Path) -> list[Path]:
    return [folder / f"q{n}.jpg" for n in range(N_QUERIES)]


def test_lists_are_those_of_rank(
    shared: LocalStore, index: Artifact, embedded: Artifact, queries: list[Path], by_hand_in: Callable[..., Any]
) -> None:
    found = search(queries, index=str(index), store=shared.root, k=7)
    ranked = StoredRankings.of(shared, by_hand_in(shared).rankings(index, embedded, k=7)).whole()[1]
    assert found.query_ids.tolist() == [str(query) for query in queries]
    assert [Path(query).name for query in found.query_ids] == ranked.query_ids.tolist()
    assert np.array_equal(found.gallery_ids, ranked.gallery_ids)
    assert np.abs(found.scores - ranked.scores).max() <= 1e-6


def test_a_picture_of_the_gallery_finds_itself_and_its_copy(shared: LocalStore, index: Artifact, folder: Path) -> None:
    found = search(folder / "g03.png", index=str(index), store=str(shared.root), k=2)
    assert found.gallery_ids.tolist() == [["g-copy.png", "g03.png"]]
    best = 1.0 if index.card.facts["metric"] == "cosine" else 0.0
    assert found.scores == pytest.approx(np.full((1, 2), best), abs=1e-3)


def test_folders_and_relative_paths(
    shared: LocalStore, index: Artifact, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search(folder, index=str(index), store=shared.root, k=1)
    assert sorted(Path(id).name for id in whole.query_ids) == sorted(path.name for path in folder.iterdir())
    monkeypatch.chdir(folder)
    assert search("q0.jpg", index=str(index), store=shared.root, k=1).query_ids.tolist() == ["q0.jpg"]


def test_nothing_is_written(shared: LocalStore, index: Artifact, queries: list[Path]) -> None:
    before = [info.key for info in shared.list("")]
    search(queries, index=index.id, store=shared.root)
    assert [info.key for info in shared.list("")] == before


def test_more_than_the_gallery_has(shared: LocalStore, index: Artifact, queries: list[Path]) -> None:
    found = search(queries[0], index=str(index), store=shared.root, k=1000)
    assert [len(ids) for _, ids, _ in found] == [N_GALLERY + 1]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("page.jpg", b"<html>not found</html>", "not_an_image"),
        ("empty.jpg", b"", "empty"),
        ("nowhere.jpg", None, "missing"),
        ("\udcff<name>\n.jpg", b"no", "not_an_image"),
    ],
)
def test_what_is_no_picture(
    shared: LocalStore, index: Artifact, tmp_path: Path, name: str, data: bytes | None, reason: str
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InvalidSpec, match=f"expected a picture, found {reason}") as caught:
        search(path, index=str(index), store=shared.root)
    assert str(path) in str(caught.value)


def test_links_may_lead_anywhere(shared: LocalStore, index: Artifact, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link.jpg").symlink_to(folder / "q0.jpg")
    direct, linked = (
        search(path, index=str(index), store=shared.root).gallery_ids
        for path in (folder / "q0.jpg", tmp_path / "link.jpg")
    )
    assert np.array_equal(direct, linked)


def test_refusals(shared: LocalStore, index: Artifact, queries: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match="k: expected at least 1"):
        search(queries, index=str(index), store=shared.root, k=0)
    with pytest.raises(InvalidSpec, match="expected image files"):
        search([], index=str(index), store=shared.root)
    with pytest.raises(InvalidSpec, match="expected image files"):
        search(tmp_path, index=str(index), store=shared.root)
    with pytest.raises(MissingArtifact):
        search(queries, index="index/0123456789ab", store=shared.root)


def test_a_damaged_index(folder: Path, files: dict[str, bytes], store: LocalStore, by_hand: Any) -> None:
    embedded = by_hand.embeddings(
        by_hand.manifest(list(files)), np.ones((len(files), SPACE.dim), np.float32), encoder_space=SPACE
    )
    index = by_hand.index(embedded)
    path = store.root / str(index) / index.part("vectors").name
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(CorruptArtifact, match="checksum of vectors"):
        search(folder / "q0.jpg", index=str(index), store=store.root)


def run(*arguments: object, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=os.environ | {"RAY_ADDRESS": "127.0.0.1:1"},
    )


def test_neither_ray_nor_torch_is_imported(shared: LocalStore, index: Artifact, queries: list[Path]) -> None:
    script = (
        "import sys\n"
        "from revsearch import search\n"
        "found = search(sys.argv[1], index=sys.argv[2], store=sys.argv[3])\n"
        "print(len(found), [name for name in ('ray', 'torch', 'matplotlib') if name in sys.modules])\n"
    )
    ended = run("-c", script, queries[0], index, shared.root)
    assert (ended.stdout, ended.returncode) == ("1 []\n", 0), ended.stderr


def test_the_command_answers_at_once(shared: LocalStore, index: Artifact, queries: list[Path]) -> None:
    arguments = ("-m", "jobs.rank", "--index", index, "--store", shared.root, "--k", 4, queries[0])
    run(*arguments)  # from here on files are warm
    began = time.monotonic()
    ended = run(*arguments)
    assert ended.returncode == 0, ended.stderr
    assert time.monotonic() - began < 5
    first, *places = ended.stdout.splitlines()
    assert first == str(queries[0])
    assert [line.split()[0] for line in places] == ["1", "2", "3", "4"]
    assert places[0].endswith("g00.png")

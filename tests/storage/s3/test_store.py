"""Artifacts in a bucket whose server often fails: the same as in a folder."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch.errors import CorruptArtifact, StoreUnavailable
from revsearch.storage.artifact import Artifact, Draft, complete, fetch, load, verify
from revsearch.storage.card import Counts, Part
from revsearch.storage.local import LocalStore
from revsearch.storage.refs import list_refs, move_ref
from revsearch.storage.store import Store
from tests.servers.faulty import Asked, Fault, always, first, share
from tests.servers.server import Server
from tests.storage.s3.conftest import Reached

ID = "0123456789ab"
ROWS = 40
LARGE = bytes(range(251)) * 80_000  # more than one part of an upload


def job(store: Store, folder: Path) -> Artifact:
    """Make an artifact of row parts and a large file, from wherever an earlier run left it, and point a ref to it."""
    draft = Draft(store, "embeddings", ID, {}, {})

    def read_rows(part: Part) -> NDArray[np.int64]:
        return np.frombuffer(fetch(store, draft.prefix, part, folder).read_bytes(), np.int64)

    def do(rows: NDArray[np.int64]) -> None:
        for start in range(0, len(rows), 4):
            draft.put("part", ".bin", rows[start : start + 4].tobytes())

    def finish(parts: list[Part]) -> Artifact:
        (folder / "large").write_bytes(LARGE)
        return draft.commit(Counts(ROWS, ROWS), [*parts, draft.put_file("large", ".bin", folder / "large")])

    artifact = complete(draft, ROWS, read_rows=read_rows, do=do, finish=finish)
    move_ref(store, "best", str(artifact))
    verify(store, artifact)
    return artifact


@pytest.mark.parametrize(
    "faults",
    [(Fault.SLOW_DOWN,), (Fault.INTERNAL,), (Fault.RESET, Fault.CUT), (Fault.LOST, Fault.CONFLICT, Fault.SLOW_DOWN)],
)
def test_a_third_of_faults_changes_nothing(reached: Reached, tmp_path: Path, faults: tuple[Fault, ...]) -> None:
    expected = job(LocalStore(tmp_path / "undisturbed"), tmp_path)
    found = job(reached.by(share(0.3, *faults)), tmp_path)
    assert reached.proxy.faults.total() > 10
    assert (found.id, found.card.counts, found.card.parts) == (expected.id, expected.card.counts, expected.card.parts)
    assert load(reached.truth, str(found)).card == found.card
    assert list_refs(reached.truth) == {"best": str(found)}
    verify(reached.truth, found)
    assert not [info.key for info in reached.truth.list("") if info.size == 0]


def test_how_often_a_commit_asks(reached: Reached, tmp_path: Path) -> None:
    draft = Draft(reached.store, "embeddings", ID, {}, {})
    parts = [draft.put("part", ".bin", b"%d" % number) for number in range(3)]
    assert reached.proxy.counts.total() == 3 + 1  # with the listing that opened the store
    reached.proxy.counts.clear()
    draft.commit(Counts(0, 0), parts)
    assert reached.proxy.counts == {"PutObject": 1}
    move_ref(reached.store, "best", draft.prefix)
    move_ref(reached.store, "best", "embeddings/ba9876543210")
    assert reached.proxy.counts == {"PutObject": 1 + 2, "GetObject": 2 + 1}


def test_a_flipped_bit_of_a_part_is_corruption(reached: Reached, tmp_path: Path) -> None:
    artifact = job(reached.store, tmp_path)
    for stem in ("part", "large"):
        reached.proxy.reset(first(1, Fault.FLIPPED_DOWN, "GetObject"))
        with pytest.raises(CorruptArtifact, match=f"checksum of {stem}-"):
            fetch(reached.store, str(artifact), artifact.parts(stem)[0], tmp_path)


def test_a_part_that_is_damaged_in_the_bucket_is_made_again(reached: Reached, tmp_path: Path) -> None:
    draft = Draft(reached.truth, "embeddings", ID, {}, {})
    part = draft.put("part", ".bin", np.arange(4).tobytes())
    reached.truth.write(f"{draft.prefix}/{part.name}", b"damaged")
    artifact = job(reached.store, tmp_path)
    verify(reached.truth, artifact)
    assert part in artifact.card.parts


def test_an_upload_that_fails_leaves_no_object_and_no_part_of_one(
    reached: Reached, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "large").write_bytes(LARGE)

    def plan(asked: Asked) -> Fault | None:
        return Fault.DENIED if asked.operation == "UploadPart" else None

    with pytest.raises(Exception, match="403 AccessDenied"):
        reached.by(plan).upload("a", tmp_path / "large")
    assert reached.proxy.counts["AbortMultipartUpload"] == 1
    assert list(reached.truth.list("")) == []


def test_an_upload_whose_end_was_done_though_the_answer_was_lost_is_there(reached: Reached, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(LARGE)
    faults = [Fault.NO_UPLOAD, Fault.LOST]

    def plan(asked: Asked) -> Fault | None:
        return faults.pop() if faults and asked.operation == "CompleteMultipartUpload" else None

    reached.by(plan).upload("a", tmp_path / "large")
    assert not faults
    assert reached.truth.read("a") == LARGE


def test_an_upload_that_another_ended_is_told(reached: Reached, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(LARGE)
    reached.truth.write("a", b"another's")
    with pytest.raises(StoreUnavailable, match="NoSuchUpload"):
        reached.by(always(Fault.NO_UPLOAD, "CompleteMultipartUpload")).upload("a", tmp_path / "large")


def test_a_download_that_fails_leaves_no_file(reached: Reached, tmp_path: Path) -> None:
    reached.truth.write("a", LARGE)
    (tmp_path / "down").mkdir()
    for fault in (Fault.DENIED, Fault.NOT_IMPLEMENTED):
        with pytest.raises(Exception, match="planned"):
            reached.by(always(fault, "GetObject")).download("a", tmp_path / "down")
    assert list((tmp_path / "down").iterdir()) == []


def test_what_others_left_in_the_bucket_is_no_key(reached: Reached, server: Server) -> None:
    bucket = reached.truth.uri.removeprefix("s3://").removesuffix("/a")
    for key in ("a/", "a/folder/", "a/.hidden", "a//double", "a/key", "elsewhere", "ab"):
        server.client().put_object(Bucket=bucket, Key=key, Body=b"")
    assert [info.key for info in reached.store.list("")] == ["key"]


MEMORY = """
import resource, sys
from pathlib import Path
from revsearch.storage.opening import open_store

store, path = open_store(sys.argv[1]), Path(sys.argv[2])
store.write("small", b"1")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store.upload("large", path)
up = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
copy = store.download("large", path.parent)
assert copy.stat().st_size == path.stat().st_size
down = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((up - before) // 1024, (down - before) // 1024)
"""


@pytest.mark.slow
def test_a_large_file_is_never_held_in_memory(
    radosgw: Server, in_environment_of: Callable[..., None], tmp_path: Path
) -> None:
    in_environment_of(radosgw)
    with (tmp_path / "large").open("wb") as file:
        for number in range(400):
            file.write(bytes([number % 251]) * 2**20)
    command = [sys.executable, "-c", MEMORY, radosgw.make_bucket(), str(tmp_path / "large")]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    up, down = map(int, told.split())
    assert up < 100
    assert down < 100

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from revsearch.errors import DiskFull, InvalidSpec, MissingArtifact, RevsearchError, StoreUnavailable
from revsearch.storage import local
from revsearch.storage.local import LocalStore

KEY = "embeddings/0123456789ab/part"
OLD, NEW = b"old" * 1000, b"NEW!" * 2000

WRITES: dict[str, Callable[[LocalStore, Path], object]] = {
    "write": lambda store, _: store.write(KEY, NEW),
    "upload": lambda store, source: store.upload(KEY, source),
    "create": lambda store, _: store.create_if_absent(KEY, NEW),
    "swap": lambda store, _: store.swap(KEY, _found(store), NEW),
}
OVERWRITES = ["write", "upload", "swap"]
CASES = [(name, None) for name in WRITES] + [(name, OLD) for name in OVERWRITES]


def _found(store: LocalStore) -> bytes | None:
    try:
        return store.read(KEY)
    except MissingArtifact:
        return None


def prepared(folder: Path, old: bytes | None) -> tuple[LocalStore, Path]:
    """A store with the old bytes under the key, if any, and a file of the new ones."""
    store, source = LocalStore(folder / "store"), folder / "source"
    folder.mkdir(exist_ok=True)
    source.write_bytes(NEW)
    if old is not None:
        store.write(KEY, old)
    return store, source


def temporary_files(store: LocalStore) -> list[Path]:
    return list(store.root.rglob(".tmp-*"))


# What is there


def test_a_file_is_copied_piece_by_piece_and_never_comes_down(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(NEW * 300)  # several pieces of 1 MiB
    store.upload("a/b", tmp_path / "big")
    assert store.download("a/b", tmp_path / "unused") == store.root / "a" / "b"
    assert store.read("a/b") == NEW * 300
    assert not (tmp_path / "unused").exists()


def test_a_store_is_made_with_its_first_key_and_no_sooner(store: LocalStore) -> None:
    assert list(store.list("")) == list(store.list("refs/")) == []
    assert not store.root.exists()


def test_it_names_the_same_folder_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = LocalStore(Path("store"))
    store.write("a/b", b"1")
    monkeypatch.chdir("/")
    assert store.uri == str(tmp_path / "store")
    assert store.read("a/b") == b"1"


def test_files_that_are_no_keys_are_never_listed(store: LocalStore) -> None:
    store.swap("refs/a.json", None, b"1")  # leaves a lock
    (store.root / "refs" / ".tmp-0123").write_bytes(b"half")  # left by a writer that was killed
    assert [info.key for info in store.list("")] == [info.key for info in store.list("refs/")] == ["refs/a.json"]


def test_a_key_that_goes_while_keys_are_listed_is_passed_over(store: LocalStore) -> None:
    for key in ("a/1", "a/2", "a/3"):
        store.write(key, b"1")
    listed = store.list("a/")
    first = next(listed)
    store.delete("a/2")
    assert [first.key, *(info.key for info in listed)] == ["a/1", "a/3"]


@pytest.mark.parametrize("above", ["embeddings", "embeddings/0123456789ab"])
@pytest.mark.parametrize("name", WRITES)
def test_a_key_below_a_key_is_refused(tmp_path: Path, name: str, above: str) -> None:
    store, source = prepared(tmp_path, None)
    store.write(above, OLD)
    with pytest.raises(InvalidSpec, match="cannot be used"):
        WRITES[name](store, source)
    assert store.read(above) == OLD


def test_a_folder_that_cannot_be_written_is_refused(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidSpec, match="cannot be used: Not a directory"):
        LocalStore(tmp_path / "file").require_writable()
    store.require_writable()
    assert list(store.root.iterdir()) == []


# Conditional writes


def test_a_lost_race_leaves_nothing_behind(store: LocalStore) -> None:
    assert store.create_if_absent(KEY, OLD)
    assert not store.create_if_absent(KEY, NEW)
    assert store.read(KEY) == OLD
    assert temporary_files(store) == []


CREATE = """
import sys
from pathlib import Path
from revsearch.storage.local import LocalStore

store, writer = LocalStore(Path(sys.argv[1])), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
print(*(n for n in range(50) if store.create_if_absent(f"race/{n}", writer.encode())))
"""


def test_of_many_processes_one_creates(store: LocalStore) -> None:
    command = [sys.executable, "-c", CREATE, str(store.root)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers: list[Any] = [subprocess.Popen([*command, str(number)], **pipes) for number in range(8)]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    won = [[int(n) for n in writer.communicate()[0].split()] for writer in writers]
    assert sorted(n for rounds in won for n in rounds) == list(range(50))
    for number, rounds in enumerate(won):
        assert all(store.read(f"race/{n}") == str(number).encode() for n in rounds)


# Faults

CALLS: list[tuple[Any, str]] = [
    (Path, "mkdir"),
    (Path, "open"),
    (Path, "read_bytes"),
    (Path, "replace"),
    (Path, "unlink"),
    (os, "fsync"),
    (os, "link"),
    (os, "open"),
    (fcntl, "flock"),
]


class Faults:
    """Fails the Nth of the calls that reach the file system, half of the data written where it is a write."""

    def __init__(self, at: int, code: int) -> None:
        self.at, self.code, self.calls = at, code, 0

    @property
    def fired(self) -> bool:
        return self.calls >= self.at

    def tick(self, *_: object) -> None:
        self.calls += 1
        if self.calls == self.at:
            raise OSError(self.code, os.strerror(self.code))

    @contextmanager
    def on(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for owner, name in CALLS:
                patch.setattr(owner, name, self._tapped(getattr(owner, name)))
            patch.setattr(local, "_write", self._write)
            patch.setattr(shutil, "copyfileobj", lambda source, file, _: self._write(file, source.read()))
            yield

    def _tapped(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            self.tick()
            return original(*args, **named)

        return call

    def _write(self, file: BinaryIO, data: bytes) -> None:
        file.write(data[: len(data) // 2])
        file.flush()
        self.tick()
        file.write(data[len(data) // 2 :])


EXPECTED: dict[str, type[RevsearchError]] = {
    "ENOSPC": DiskFull,
    "EDQUOT": DiskFull,
    "EACCES": InvalidSpec,
    "EROFS": InvalidSpec,
    "EIO": StoreUnavailable,
    "ESTALE": StoreUnavailable,
}


@pytest.mark.parametrize("code", EXPECTED)
@pytest.mark.parametrize(("name", "old"), CASES)
def test_a_fault_at_any_call_leaves_the_old_bytes_or_the_new(
    tmp_path: Path, name: str, old: bytes | None, code: str
) -> None:
    number = 0
    while True:
        number += 1
        store, source = prepared(tmp_path / str(number), old)
        faults = Faults(number, getattr(errno, code))
        before = _found(store)
        said = None
        try:
            with faults.on():
                WRITES[name](store, source)
        except EXPECTED[code] as error:
            said = str(error)
        if said is None:
            assert not faults.fired, f"call {number} failed unseen"
            break
        assert str(store.root) in said
        assert KEY in said
        after = _found(store)
        assert after in (before, NEW)
        assert temporary_files(store) == []
        again = WRITES[name](store, source)
        assert again in (None, True) or after == NEW  # who created it and was not told, finds it
        assert _found(store) == NEW
    assert number > 5


def test_a_lost_race_is_none_of_the_faults(tmp_path: Path) -> None:
    for number in range(1, 12):
        store, _ = prepared(tmp_path / str(number), OLD)
        faults = Faults(number, errno.EIO)
        try:
            with faults.on():
                assert store.create_if_absent(KEY, NEW) is False
        except StoreUnavailable:
            assert faults.fired
        assert store.read(KEY) == OLD
        assert temporary_files(store) == []


@pytest.mark.parametrize("code", EXPECTED)
def test_what_cannot_be_read_is_not_taken_for_absent(store: LocalStore, tmp_path: Path, code: str) -> None:
    store.write(KEY, OLD)
    fault = OSError(getattr(errno, code), os.strerror(getattr(errno, code)))

    def fail(*_: object, **__: object) -> None:
        raise fault

    reads: dict[tuple[Any, str], Callable[[], object]] = {
        (Path, "read_bytes"): lambda: store.read(KEY),
        (Path, "stat"): lambda: store.download(KEY, tmp_path),
        (os, "scandir"): lambda: list(store.list("embeddings/")),
        (Path, "unlink"): lambda: store.delete(KEY),
    }
    for (owner, name), read in reads.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, fail)
            with pytest.raises(EXPECTED[code], match=str(store.root)):
                read()


def test_an_interrupted_write_leaves_nothing(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.write(KEY, NEW)
    assert list(store.list("")) == []
    assert temporary_files(store) == []


LIMITED = """
import resource, sys
from pathlib import Path
from revsearch.errors import DiskFull
from revsearch.storage.local import LocalStore

store, source = LocalStore(Path(sys.argv[1])), Path(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for write in (
    lambda: store.write("a/b", source.read_bytes()),
    lambda: store.upload("a/b", source),
    lambda: store.create_if_absent("a/b", source.read_bytes()),
    lambda: store.swap("a/b", None, source.read_bytes()),
):
    try:
        write()
    except DiskFull as error:
        print(error)
"""


def test_a_limit_on_the_size_of_files_is_no_room(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(100_000))
    command = [sys.executable, "-c", LIMITED, str(store.root), str(tmp_path / "source")]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said == f"no room left in the store {store.root} to write a/b; make room and run the command again\n" * 4
    assert list(store.list("")) == []
    assert temporary_files(store) == []


FULL = """
import sys
from pathlib import Path
from revsearch.errors import DiskFull
from revsearch.storage.local import LocalStore

store, source = LocalStore(Path(sys.argv[1], "store")), Path(sys.argv[1], "source")
store.write("a/b", b"old")
source.write_bytes(bytes(40_000))
for write in (
    lambda: store.write("a/b", bytes(40_000)),
    lambda: store.upload("a/b", source),
    lambda: store.create_if_absent("a/c", bytes(40_000)),
    lambda: store.swap("a/b", b"old", bytes(40_000)),
):
    try:
        write()
    except DiskFull as error:
        print(error)
source.unlink()
print(store.read("a/b"), [info.key for info in store.list("")], list(store.root.rglob(".tmp-*")))
store.write("a/b", bytes(40_000))
"""


def test_a_full_disk_is_told_and_what_was_there_stays(on_small_disk: Callable[[str], str]) -> None:
    *told, last = on_small_disk(FULL).splitlines()
    assert len(told) == 4
    assert all(line.startswith("no room left in the store ") and " to write a/" in line for line in told)
    assert last == "b'old' ['a/b'] []"


# kill -9: the child counts what it does to the file system, and dies before or after the Nth of it

KILLED = """
import fcntl, os, shutil, signal, sys
from pathlib import Path
from revsearch.storage import local
from revsearch.storage.local import LocalStore

KEY, NEW = "embeddings/0123456789ab/part", b"NEW!" * 2000
folder, name, old = Path(sys.argv[1]), sys.argv[2], b"old" * 1000 if sys.argv[3] == "old" else None


def run(at):
    steps = []

    def step(what):
        steps.append(what)
        if len(steps) == at:
            (folder / str(at) / "point").write_text(what)
            os.kill(os.getpid(), signal.SIGKILL)

    def tapped(what, original):
        def call(*args, **named):
            step(f"before {what}")
            done = original(*args, **named)
            step(f"after {what}")
            return done

        return call

    def write(file, data):
        file.write(data[: len(data) // 2])
        file.flush()
        step("mid write")
        file.write(data[len(data) // 2 :])

    def upload(source, file, _):
        write(file, source.read())

    calls = [(Path, "mkdir"), (Path, "replace"), (Path, "unlink"), (os, "fsync"), (os, "link")]
    originals = {what: getattr(owner, what) for owner, what in calls}
    store = LocalStore(folder / str(at) / "store")
    source = folder / str(at) / "source"
    source.parent.mkdir()
    source.write_bytes(NEW)
    if old is not None:
        store.write(KEY, old)
    write_text = Path.write_text
    for owner, what in calls:
        setattr(owner, what, tapped(what, originals[what]))
    local._write, shutil.copyfileobj = write, upload
    {
        "write": lambda: store.write(KEY, NEW),
        "upload": lambda: store.upload(KEY, source),
        "create": lambda: store.create_if_absent(KEY, NEW),
        "swap": lambda: store.swap(KEY, old, NEW),
    }[name]()


for at in range(1, 100):
    child = os.fork()
    if child == 0:
        try:
            run(at)
        finally:
            os._exit(3 if sys.exc_info()[0] else 0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(at, status, flush=True)
    if status != -signal.SIGKILL:
        break
"""


@pytest.mark.parametrize(("name", "old"), CASES)
def test_a_writer_killed_at_any_point_leaves_the_old_bytes_or_the_new(
    tmp_path: Path, name: str, old: bytes | None
) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), name, "old" if old else "absent"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    *killed, (_, last) = [tuple(map(int, line.split())) for line in lines]
    assert last == 0
    assert {status for _, status in killed} == {-signal.SIGKILL}
    outcomes: dict[str, bytes | None] = {}
    for at, _ in killed:
        folder = tmp_path / str(at)
        store = LocalStore(folder / "store")
        found = _found(store)
        outcomes.setdefault((folder / "point").read_text(), found)  # the first fsync is that of the file
        assert found in (old, NEW)
        assert {info.key for info in store.list("")} <= {KEY}
        WRITES[name](store, folder / "source")
        assert store.read(KEY) == NEW
    publish = "link" if name == "create" else "replace"
    assert [outcomes[point] for point in ("mid write", "before fsync", f"before {publish}")] == [old] * 3
    assert outcomes[f"after {publish}"] == NEW
    assert found == NEW

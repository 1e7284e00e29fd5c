"""A store in a folder. Commits by unique temporary file, fsync, rename or link, and fsync of the folder."""

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from revsearch.errors import DiskFull, InvalidSpec, MissingArtifact, RevsearchError, StoreUnavailable
from revsearch.storage.store import NO_ROOM, NOT_USABLE, KeyInfo, missing, require_key, require_prefix

# No name of a key begins with a dot.
_TEMPORARY = ".tmp-"
_LOCK = ".lock"


class LocalStore:
    """Keys are files below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @property
    def uri(self) -> str:
        """The folder."""
        return str(self.root)

    def read(self, key: str) -> bytes:
        """See `Store.read`."""
        with _mapped(self.root, key):
            return self._path(key).read_bytes()

    def write(self, key: str, data: bytes) -> None:
        """See `Store.write`."""
        self._put(key, lambda file: _write(file, data), lambda temporary, path: temporary.replace(path))

    def upload(self, key: str, path: Path) -> None:
        """See `Store.upload`."""
        self._put(key, lambda file: _copy(file, path), lambda temporary, path: temporary.replace(path))

    def download(self, key: str, folder: Path) -> Path:  # noqa: ARG002  # stores elsewhere need the folder
        """See `Store.download`: the store's own file."""
        with _mapped(self.root, key):
            path = self._path(key)
            path.stat()
            return path

    def list(self, prefix: str) -> Iterator[KeyInfo]:
        """See `Store.list`."""
        require_prefix(prefix)
        folder = self.root / prefix.rpartition("/")[0]
        with _mapped(self.root, prefix):
            keys = sorted(path.relative_to(self.root).as_posix() for path in _files(folder))
        for key in keys:
            if key.startswith(prefix) and (info := self._info(key)) is not None:
                yield info

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        with _mapped(self.root, key):
            self._path(key).unlink(missing_ok=True)

    def create_if_absent(self, key: str, data: bytes) -> bool:
        """See `Store.create_if_absent`: a hard link is made by one writer only."""

        def link(temporary: Path, path: Path) -> None:
            try:
                os.link(temporary, path)
            finally:
                temporary.unlink()

        try:
            self._put(key, lambda file: _write(file, data), link)
        except FileExistsError:
            return False
        return True

    def swap(self, key: str, old: bytes | None, new: bytes) -> bool:
        """See `Store.swap`: compared and replaced under a lock of the folder that holds the key."""
        folder = self._path(key).parent
        with _mapped(self.root, key):
            _make_folder(folder)
            with (folder / _LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                try:
                    found = self.read(key)
                except MissingArtifact:
                    found = None
                if found != old:
                    return False
                self.write(key, new)
                return True

    def require_writable(self) -> None:
        """See `Store.require_writable`: a scratch file is written and removed."""
        self._put("scratch", lambda file: _write(file, b"1"), lambda temporary, _: temporary.unlink())

    def _path(self, key: str) -> Path:
        require_key(key)
        return self.root / key

    def _info(self, key: str) -> KeyInfo | None:
        """Return what is under a key, or None where it went meanwhile."""
        try:
            with _mapped(self.root, key):
                return KeyInfo(key, self._path(key).stat().st_size)
        except MissingArtifact:
            return None

    def _put(self, key: str, fill: Callable[[BinaryIO], object], publish: Callable[[Path, Path], object]) -> None:
        path = self._path(key)
        temporary = path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}")
        with _mapped(self.root, key):
            _make_folder(path.parent)
            try:
                with temporary.open("xb") as file:
                    fill(file)
                    file.flush()
                    os.fsync(file.fileno())
                publish(temporary, path)
            except BaseException:  # also when interrupted: nothing half-written stays behind
                temporary.unlink(missing_ok=True)
                raise
            _sync_folder(path.parent)


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)


def _copy(file: BinaryIO, path: Path) -> None:
    with path.open("rb") as source:
        shutil.copyfileobj(source, file, 2**20)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # a file; and of this error only a lost race is told
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error


def _files(folder: Path) -> Iterator[Path]:
    """Yield the keys' files below a folder; one that cannot be read is an error, one that is not there holds none."""

    def stop(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for parent, _, names in os.walk(folder, onerror=stop):
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _mapped(root: Path, key: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise _error(error, root, key) from error


def _error(error: OSError, root: Path, key: str) -> RevsearchError:
    if error.errno == errno.ENOENT:
        return missing(key, str(root))
    if error.errno in NO_ROOM:
        return DiskFull(f"no room left in the store {root} to write {key}; make room and run the command again")
    if error.errno in NOT_USABLE:
        return InvalidSpec(f"the store {root} cannot be used: {error.strerror} at {key}; choose another --store")
    return StoreUnavailable(f"the store {root} does not answer at {key}: {error.strerror}; try again")

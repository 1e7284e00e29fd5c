"""One image file's bytes, whatever lies under its name: never blocking, never from outside the root."""

import errno
import fcntl
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from revsearch.rejects import Reason, Rejection
from revsearch.storage.names import decode_id, is_url
from revsearch.storage.s3.address import root_that_allows

# O_NONBLOCK: opening a FIFO that nobody writes to must not wait. It means nothing for regular files.
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# O_PATH, where there is one, needs no permission to list the folder.
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", 0)

_REASONS = {
    errno.ENOENT: Reason.MISSING,
    errno.ENOTDIR: Reason.MISSING,
    errno.ENAMETOOLONG: Reason.MISSING,
    errno.ELOOP: Reason.SYMLINK,
    errno.EACCES: Reason.PERMISSION,
    errno.EPERM: Reason.PERMISSION,
    errno.ENXIO: Reason.NOT_REGULAR,  # a socket, or a device without a driver
    errno.ENODEV: Reason.NOT_REGULAR,
    errno.EOPNOTSUPP: Reason.NOT_REGULAR,  # a socket, on macOS
}


def read_image(location: str, root: Path, *, max_bytes: int, follow_symlinks: bool = False) -> bytes:
    """Return the bytes of the image at `location`: an id below `root`, or an absolute path below it.

    What is checked is the opened file itself, so that nothing can be exchanged between check and use. With
    `follow_symlinks`, links may lead out of the root; `..`, other absolute paths and URLs never do.

    Raises:
        Rejection: `not_regular`, `symlink` (a loop), `outside_root`, `permission`, `missing` (a broken link too),
            `empty`, `too_many_bytes`, or `store_error` where the file system itself fails.
    """
    try:
        with _opened(os.fsencode(root), _FOLDER) as folder:
            real_root = _real_path(folder)
            name = _below_root(location, root, real_root)
            with _opened(name, _FILE, folder) as file:
                if not follow_symlinks and not _is_below(_real_path(file), real_root):
                    raise _outside(location, "a link leads out of the root; --follow-symlinks allows it")
                return _read_regular(file, location, max_bytes)
    except OSError as error:
        raise Rejection(reason_of(error), f"{location!r}: {error}") from error


def reason_of(error: OSError) -> Reason:
    """Return the reject reason for what the file system answered; `store_error` for all that may pass (EIO, ESTALE)."""
    return _REASONS.get(error.errno or 0, Reason.STORE_ERROR)


@contextmanager
def _opened(path: bytes, flags: int, folder: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _real_path(descriptor: int) -> bytes:
    if sys.platform == "darwin":
        return fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")
    return os.readlink(b"/proc/self/fd/%d" % descriptor)  # noqa: PTH115  # bytes: pathlib has none


def _below_root(location: str, root: Path, real_root: bytes) -> bytes:
    if "\0" in location:
        raise _outside(location, "no path holds a NUL")
    if is_url(location):
        raise _outside(location, f"expected a path below the root, found a URL{root_that_allows(location)}")
    try:
        path = decode_id(location)
    except UnicodeEncodeError as error:
        raise Rejection(Reason.MISSING, f"{location!r}: no file has such a name: {error}") from error
    if path.startswith(b"/"):
        path = _relative(path, real_root, os.path.abspath(os.fsencode(root)), location)  # noqa: PTH100  # bytes: pathlib has none
    if b".." in path.split(b"/"):
        raise _outside(location, "expected a path below the root, found ..")
    return path or b"."


def _relative(path: bytes, real_root: bytes, given_root: bytes, location: str) -> bytes:
    for root in (real_root, given_root):
        if _is_below(path, root):
            return path[len(root) :].lstrip(b"/")
    raise _outside(location, f"expected a path below {os.fsdecode(given_root)!r}")


def _is_below(path: bytes, root: bytes) -> bool:
    return path == root or path.startswith(root.rstrip(b"/") + b"/")


def _outside(location: str, why: str) -> Rejection:
    return Rejection(Reason.OUTSIDE_ROOT, f"{location!r}: {why}")


def _read_regular(file: int, location: str, max_bytes: int) -> bytes:
    facts = os.fstat(file)
    if not stat.S_ISREG(facts.st_mode):
        raise Rejection(Reason.NOT_REGULAR, f"{location!r}: expected a file, found {_kind(facts.st_mode)}")
    if facts.st_size > max_bytes:
        raise Rejection(Reason.TOO_MANY_BYTES, f"{location!r}: {facts.st_size} bytes, expected at most {max_bytes}")
    data = _read_up_to(file, facts.st_size)
    if not data:
        raise Rejection(Reason.EMPTY, f"{location!r}: no bytes")
    return data


def _read_up_to(file: int, size: int) -> bytes:
    """Read `size` bytes, fewer where the file has become shorter meanwhile."""
    data = os.read(file, size)
    while len(data) < size:
        more = os.read(file, size - len(data))
        if not more:
            break
        data += more
    return data


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")

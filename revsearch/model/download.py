"""Fetching one of torchvision's weights files into torch's cache: whole and checked, or not at all."""

import errno
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from revsearch.errors import CorruptArtifact, DiskFull

_HASH = re.compile(r"-([0-9a-f]{8,64})\.pth$")
_WAIT_S = 20.0  # for one answer of the network


def hash_in_name(file_name: str) -> str:
    """Return the first digits of a file's SHA-256, which torchvision's files carry in their names; empty without."""
    found = _HASH.search(file_name)
    return found[1] if found else ""


def download(url: str, path: Path) -> None:
    """Download `url` to `path`; a temporary file beside it takes its name once the hash is checked.

    Raises:
        ConnectionError: where it is not to be had, or the folder cannot be written; says which.
        CorruptArtifact: where what came has another hash.
        DiskFull: where it does not fit.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _bounded_waits(_WAIT_S):
            torch.hub.download_url_to_file(url, str(path), hash_in_name(path.name), progress=sys.stderr.isatty())
    except OSError as error:  # URLError is one
        if error.errno == errno.ENOSPC:
            raise DiskFull(f"{path}: no room left for the weights of {url}; free some and run again") from error
        raise ConnectionError(f"{url}: {error}") from error
    except RuntimeError as error:  # torch's word for another hash
        raise CorruptArtifact(f"{url}: checksum of the download: {error}; try again") from error


@contextmanager
def _bounded_waits(seconds: float) -> Iterator[None]:
    """Bound each wait on the network, on which torch's download sets no limit of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)

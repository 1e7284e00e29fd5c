"""Matrices as safetensors: one named array a file, readable in place."""

import json
import os
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from revsearch.errors import CorruptArtifact, DiskFull
from revsearch.storage.store import NO_ROOM

_NAME = "vectors"


def create_matrix(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Create a file for float32 `[n, dim]` and return its matrix, writable in place: it may be larger than memory.

    Raises:
        DiskFull: where there is no room for all of it.
    """
    size = shape[0] * shape[1] * 4
    header = json.dumps({_NAME: {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}).encode()
    header += b" " * (-len(header) % 8)  # the format aligns its data to 8 bytes
    try:
        with path.open("wb") as file:
            file.write(struct.pack("<Q", len(header)) + header)
            _reserve(file, file.tell() + size)
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno in NO_ROOM:
            raise DiskFull(f"no room for {size} bytes at {path}; make room, or set TMPDIR to where there is") from error
        raise
    if size == 0:
        return np.empty(shape, np.float32)
    return np.memmap(path, np.float32, "r+", offset=8 + len(header), shape=shape)


def map_matrix(path: Path) -> NDArray[np.float32]:
    """Return the matrix of a file, float32 `[n, dim]`, memory-mapped read-only.

    Raises:
        CorruptArtifact: where the file is not one that `create_matrix` began.
    """
    try:
        with safe_open(path, framework="np") as file:  # checks the header against the file's length
            shape = tuple(file.get_slice(_NAME).get_shape())
            dtype = file.get_slice(_NAME).get_dtype()
    except (SafetensorError, OSError, KeyError) as error:
        raise CorruptArtifact(
            f"{path}: expected a safetensors file with {_NAME!r}: {error}", reason="vectors"
        ) from error
    if dtype != "F32" or len(shape) != 2:
        raise CorruptArtifact(f"{path}: expected float32 [n, dim], found {dtype} {shape}", reason="vectors")
    if 0 in shape:
        return np.empty(shape, np.float32)
    return np.memmap(path, np.float32, "r", offset=_offset(path), shape=shape)


def _reserve(file: BinaryIO, size: int) -> None:
    """Take the room now: who writes through a memory map into a full disk is killed by SIGBUS."""
    file.flush()
    if hasattr(os, "posix_fallocate"):  # macOS has none
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


def _offset(path: Path) -> int:
    """Return where the array's bytes begin: safetensors' own reader would copy them."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return 8 + int(length) + int(header[_NAME]["data_offsets"][0])

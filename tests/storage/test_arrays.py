import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from revsearch.errors import CorruptArtifact
from revsearch.storage.arrays import create_matrix, map_matrix


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (1000, 64), (0, 5), (3, 0)])
def test_a_matrix_is_filled_in_place_and_mapped(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = tmp_path / "m.safetensors"
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    matrix = create_matrix(path, shape)
    assert (matrix.shape, matrix.dtype.name) == (shape, "float32")
    matrix[:] = values
    del matrix
    mapped = map_matrix(path)
    assert mapped.dtype == np.float32
    np.testing.assert_array_equal(mapped, values)
    np.testing.assert_array_equal(load_file(path)["vectors"], values)  # what others read


def test_a_new_matrix_is_zero_and_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"\xff" * 10_000)
    assert not create_matrix(path, (4, 4)).any()
    assert path.stat().st_size < 1_000


def test_a_mapped_matrix_cannot_be_written(tmp_path: Path) -> None:
    create_matrix(tmp_path / "m", (2, 2))
    with pytest.raises(ValueError, match="read-only"):
        map_matrix(tmp_path / "m")[0, 0] = 1


def test_what_the_format_library_wrote_is_mapped_too(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    save_file({"vectors": values}, tmp_path / "m", metadata={"made": "elsewhere"})
    np.testing.assert_array_equal(map_matrix(tmp_path / "m"), values)


def header(content: object, data: bytes = b"") -> bytes:
    text = json.dumps(content).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: str, shape: list[int], size: int) -> dict[str, object]:
    return {"vectors": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}


OTHER_FILES = {
    "nothing": b"",
    "cut in the length": b"\x10\0\0",
    "cut in the header": header(entry("F32", [2, 2], 16))[:20],
    "cut in the data": header(entry("F32", [2, 2], 16), bytes(15)),
    "appended to": header(entry("F32", [2, 2], 16), bytes(17)),
    "a header without end": struct.pack("<Q", 2**63) + bytes(100),
    "a shape larger than its data": header(entry("F32", [2**40, 2], 16), bytes(16)),
    "no matrix": header(entry("F32", [4], 16), bytes(16)),
    "float64": header(entry("F64", [1, 2], 16), bytes(16)),
    "float16": header(entry("F16", [2, 4], 16), bytes(16)),
    "another name": header({"weights": entry("F32", [2, 2], 16)["vectors"]}, bytes(16)),
    "no arrays": header({}),
    "a pickle": b"\x80\x04cos\nsystem\n(S'exit 1'\ntR.",
    "an .npy": b"\x93NUMPY\x01\0v\0{'descr': '<f4'}" + bytes(64),
    "text": b"id,vector\n" * 50,
}


@pytest.mark.parametrize("data", OTHER_FILES.values(), ids=list(OTHER_FILES))
def test_a_file_of_another_form_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m"
    path.write_bytes(data)
    with pytest.raises(CorruptArtifact, match=f"{path}: expected ") as caught:
        map_matrix(path)
    assert caught.value.exit_code == 5


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(CorruptArtifact, match="expected a safetensors file"):
            map_matrix(path)


FILL = """
import resource, sys
from pathlib import Path
from revsearch.errors import DiskFull
from revsearch.storage.arrays import create_matrix

if sys.argv[2:]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    create_matrix(Path(sys.argv[1], "m"), (1000, 100))[:] = 1
except DiskFull as error:
    print(error)
"""
NEED = "no room for 400000 bytes at "


def test_no_room_is_told_before_anything_is_written(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FILL, str(tmp_path), "limited"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.startswith(f"{NEED}{tmp_path / 'm'};")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_does_not_kill_the_process(on_small_disk: Callable[[str], str]) -> None:
    assert on_small_disk(FILL).startswith(NEED)

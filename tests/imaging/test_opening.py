"""Small files that ask for much."""

import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest

Outcome = Callable[..., str]
Chunk = Callable[[bytes, bytes], bytes]
Measured = Callable[[str, bytes], dict[str, Any]]


def bomb(png_chunk: Chunk, *extra: bytes, side: int = 8) -> bytes:
    """A one-bit PNG of `side` x `side` zeros with further chunks before its pixels."""
    rows = zlib.compress(bytes(side * (side // 8 + 1)), 9)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")


def test_a_small_file_of_104_megapixels(png_chunk: Chunk, measured: Measured) -> None:
    data = bomb(png_chunk, side=10_200)
    assert len(data) < 14_000
    found = measured("found['outcome'] = outcome(data)", data)
    assert found["outcome"] == "too_many_pixels"
    assert found["peak_mb"] < 50


@pytest.mark.parametrize(
    ("name", "prefix"), [(b"zTXt", b"key\0\0"), (b"iCCP", b"name\0\0"), (b"iTXt", b"key\0\1\0\0\0")]
)
def test_text_and_profile_bombs(name: bytes, prefix: bytes, png_chunk: Chunk, measured: Measured) -> None:
    inflated = "\N{GRINNING FACE}".encode() + b"a" * 1_000_000
    packed = zlib.compress(inflated if name == b"iTXt" else b"a" * 200_000_000, 1)
    data = bomb(png_chunk, *[png_chunk(name, prefix + packed)] * (60 if name == b"iTXt" else 1))
    found = measured("found['outcome'] = outcome(data)", data)
    assert found["outcome"] == "ok"
    assert found["peak_mb"] < 100


def test_a_tiff_tile_larger_than_any_picture(measured: Measured) -> None:
    """A 64 x 64 picture of 260 KB whose only tile inflates to 268 megapixels."""
    rows = zlib.compress(bytes(16_384 * 16_384), 1)
    values = [64, 64, 8, 8, 1, 1, 16_384, 16_384, 8 + 2 + 10 * 12 + 4, len(rows)]
    tags = (256, 257, 258, 259, 262, 277, 322, 323, 324, 325)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in zip(tags, values, strict=True))
    found = measured(
        "found['outcome'] = outcome(data)",
        b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + rows,
    )
    assert found["outcome"] == "too_many_pixels"
    assert found["peak_mb"] < 50


def test_bombs_are_errors_not_warnings(png_chunk: Chunk, recwarn: Any, outcome: Outcome) -> None:
    assert outcome(bomb(png_chunk, side=10_200)) == "too_many_pixels"
    assert not list(recwarn)

"""Files that are no good, one of each kind that people have: what a job must reject and live with."""

import struct
import zlib

HTML_PAGE = b"<!DOCTYPE html>\n<html><body><h1>404 Not Found</h1></body></html>\n"


def broken_files(jpeg: bytes) -> dict[str, bytes]:
    """Return name -> bytes of files that look like pictures by their names; `jpeg` is a good one to cut short."""
    return {
        "broken-empty.jpg": b"",
        "broken-error-page.jpg": HTML_PAGE,
        "broken-truncated.jpg": jpeg[: len(jpeg) // 2],
        "broken-huge.png": _png_header(40_000, 25_000),
    }


def _png_header(width: int, height: int) -> bytes:
    """Return a PNG that claims its size, and then has no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits a channel, RGB
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", b"") + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

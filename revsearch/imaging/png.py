"""PNG's outer form: chunks. Pillow is given only those that make pixels, checked.

Pillow does not compare the checksums of pixel data, and inflates text and colour profiles on opening: with every other
chunk left out a flipped bit is seen, and there is nothing to inflate but the pixels of the first frame.
"""

import struct
import zlib
from collections.abc import Iterator

from revsearch.rejects import Reason, Rejection

_SIGNATURE_BYTES = 8
_SIZE_END = 24
_PIXEL_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_KEPT = _PIXEL_CHUNKS | {b"eXIf"}  # says which way up the picture is


def png_size(data: bytes) -> tuple[int, int]:
    """Return width and height, read from the first chunk.

    Raises:
        Rejection: TRUNCATED where the file ends before them, CORRUPT where the first chunk is another.
    """
    if len(data) < _SIZE_END:
        raise Rejection(Reason.TRUNCATED, f"expected a PNG header of {_SIZE_END} bytes, found {len(data)}")
    if data[12:16] != b"IHDR":
        raise Rejection(Reason.CORRUPT, f"expected IHDR as the first chunk of a PNG, found {data[12:16]!r}")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def pixel_chunks(data: bytes) -> bytes:
    """Return the PNG without the chunks that do not make pixels: text, profiles, later frames, trailing garbage.

    A chunk that the file's end cuts short is kept as far as it goes: whoever decodes it finds it truncated.

    Raises:
        Rejection: CORRUPT where a chunk of pixels is not what its checksum says.
    """
    kept = [memoryview(data)[:_SIGNATURE_BYTES]]
    kept += [chunk for name, chunk in _chunks(data) if name in _KEPT and _is_sound(name, chunk)]
    return b"".join(kept)


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield each chunk's name and all its bytes (length, name, content, checksum) up to IEND or the file's end."""
    view, start, name = memoryview(data), _SIGNATURE_BYTES, b""
    while start + 8 <= len(data) and name != b"IEND":
        name = data[start + 4 : start + 8]
        end = start + 12 + int.from_bytes(data[start : start + 4])
        yield name, view[start:end]
        start = end


def _is_sound(name: bytes, chunk: memoryview) -> bool:
    """Tell whether a chunk may be used; one of pixels must be, any other is left out."""
    if len(chunk) < 12 + int.from_bytes(chunk[:4]):
        return name == b"IDAT"  # cut short
    if zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:]):
        return True
    if name in _PIXEL_CHUNKS:
        raise Rejection(Reason.CORRUPT, f"the checksum of PNG chunk {name.decode('ascii')} does not match its bytes")
    return False

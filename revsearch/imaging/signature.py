"""What a file is by its first bytes: a picture we read, another kind of picture, or none at all.

Names say nothing: a PNG called `.jpg` is a PNG. Only bytes are looked at, so that no driver of a format nobody asked
for is loaded, and no outside program (Ghostscript for EPS) is started.
"""

import struct
from collections.abc import Callable
from typing import Literal

Format = Literal["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]

_READABLE: tuple[tuple[Format, Callable[[bytes], bool]], ...] = (
    ("JPEG", lambda data: data.startswith(b"\xff\xd8\xff")),
    ("PNG", lambda data: data.startswith(b"\x89PNG\r\n\x1a\n")),
    ("WEBP", lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP"),
    ("GIF", lambda data: data.startswith((b"GIF87a", b"GIF89a"))),
    ("BMP", lambda data: data.startswith(b"BM") and data[16:18] == b"\0\0"),  # high half of a small header size
    ("TIFF", lambda data: data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))),
    ("AVIF", lambda data: bool(_brands(data) & {b"avif", b"avis"})),
)

# Starts of picture formats that are recognised, but not read.
_OTHER_STARTS = (
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"8BPS", "PSD"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"DDS ", "DDS"),
    (b"BLP1", "BLP"),
    (b"BLP2", "BLP"),
    (b"\0\0\1\0", "ICO"),
    (b"icns", "ICNS"),
    (b"qoif", "QOI"),
    (b"\x01\xda", "SGI"),
    (b"\x59\xa6\x6a\x95", "Sun raster"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"gimp xcf", "XCF"),
    (b"/* XPM */", "XPM"),
    (b"SIMPLE  =", "FITS"),
    (b"AT&TFORM", "DjVu"),
    (b"\x8aMNG", "MNG"),
    (b"\x8bJNG", "JNG"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"\xb1\x68\xde\x3a", "DCX"),
)
_ISO_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})


def readable_format(data: bytes) -> Format | None:
    """Return which of the formats we read `data` starts as, or None."""
    return next((name for name, matches in _READABLE if matches(data)), None)


def other_picture(data: bytes) -> str | None:
    """Return the name of the picture format `data` starts as, of those that we do not read, or None."""
    by_start = next((name for start, name in _OTHER_STARTS if data.startswith(start)), None)
    return by_start or next((name for name, matches in _BY_HEADER if matches(data)), None)


def _brands(data: bytes) -> set[bytes]:
    """Return the brands of an ISO media file's leading `ftyp` box: the major one, then the compatible ones."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4]), len(data), 256)
    return {data[8:12]} | {data[start : start + 4] for start in range(16, end, 4)}


def _is_pcx(data: bytes) -> bool:
    return len(data) > 4 and data[0] == 10 and data[1] in (0, 2, 3, 4, 5) and data[3] in (1, 2, 4, 8)


def _is_fli(data: bytes) -> bool:
    return data[4:6] in (b"\x11\xaf", b"\x12\xaf") and data[14:16] in (b"\0\0", b"\3\0")


def _is_netpbm(data: bytes) -> bool:
    return len(data) > 3 and data[:1] == b"P" and data[1:2] in b"1234567fF" and data[2:3].isspace()


def _is_tga(data: bytes) -> bool:
    """TGA has no magic number: see whether each field of its 18-byte header has one of the few values it may have."""
    if len(data) < 18:
        return False
    colour_map, kind = data[1:3]
    width, height, depth = struct.unpack_from("<HHB", data, 12)
    plausible = colour_map in (0, 1) and kind in (1, 2, 3, 9, 10, 11) and depth in (1, 8, 15, 16, 24, 32)
    return plausible and width > 0 and height > 0


def _is_cur(data: bytes) -> bool:
    """Its four magic bytes also start a TGA, which has zeros where a CUR has its count of pictures."""
    return data.startswith(b"\0\0\2\0") and len(data) > 5 and data[4] > 0 and data[5] == 0


_BY_HEADER: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("HEIF", lambda data: bool(_brands(data) & _ISO_BRANDS)),
    ("PCX", _is_pcx),
    ("FLI", _is_fli),
    ("CUR", _is_cur),
    ("netpbm", _is_netpbm),
    ("TGA", _is_tga),
)

"""Formats are told by content."""

import struct

import pytest

from revsearch.imaging.signature import other_picture, readable_format

TGA_HEADER = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 32, 24, 24, 0)
FTYP = b"\0\0\0\x1cftyp"


@pytest.mark.parametrize(
    ("start", "format"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WEBP"),
        (b"GIF89a", "GIF"),
        (b"GIF87a", "GIF"),
        (b"BM" + bytes(12) + struct.pack("<I", 40), "BMP"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (FTYP + b"avif" + bytes(16), "AVIF"),
        (FTYP + b"mif1\0\0\0\0miafavif", "AVIF"),
    ],
)
def test_readable_formats(start: bytes, format: str) -> None:
    assert readable_format(start) == format
    assert readable_format(b" " + start) is None


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x4f\xff\x51\0", "JPEG 2000"),
        (TGA_HEADER, "TGA"),
        (b"DDS |\0\0\0", "DDS"),
        (b"8BPS\0\1", "PSD"),
        (b"\0\0\1\0\1\0", "ICO"),
        (b"\0\0\2\0\1\0", "CUR"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "EPS"),
        (b"\xc5\xd0\xd3\xc6", "EPS"),
        (b"P6 3 2 255\n", "netpbm"),
        (b"\n\5\1\x08" + bytes(12), "PCX"),
        (bytes(4) + b"\x11\xaf" + bytes(10), "FLI"),
        (FTYP + b"heic" + bytes(16), "HEIF"),
        (b"qoif\0\0", "QOI"),
    ],
)
def test_other_pictures(start: bytes, name: str) -> None:
    assert readable_format(start) is None
    assert other_picture(start) == name


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"B",
        b"BMW builds cars",
        b"<!DOCTYPE html>",
        b'{"a": 1}',
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"RIFF\0\0\0\0WAVE",
        FTYP + b"isom" + bytes(16),
        b"P6x",
        bytes(64),
    ],
)
def test_no_picture(data: bytes) -> None:
    assert readable_format(data) is None
    assert other_picture(data) is None

"""PNG chunks are checked and thinned out."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from revsearch.imaging.png import pixel_chunks, png_size
from revsearch.rejects import Reason, Rejection

Encode = Callable[..., bytes]
START = 33  # where the chunk after IHDR starts


def names(png: bytes) -> list[bytes]:
    found, start = [], 8
    while start + 8 <= len(png):
        found.append(png[start + 4 : start + 8])
        start += 12 + int.from_bytes(png[start : start + 4])
    return found


def test_size_is_read_from_the_header(png_claiming: Callable[[int, int], bytes]) -> None:
    assert png_size(png_claiming(40000, 25000)) == (40000, 25000)


def test_a_cut_or_wrong_header_is_rejected(png_claiming: Callable[[int, int], bytes]) -> None:
    png = png_claiming(4, 3)
    for data, reason in ((png[:20], Reason.TRUNCATED), (png[:12] + b"IXXX" + png[16:], Reason.CORRUPT)):
        with pytest.raises(Rejection) as raised:
            png_size(data)
        assert raised.value.reason is reason


def test_only_what_makes_pixels_is_kept(photo: Image.Image, encode: Encode) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 1000, zip=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    png = encode(photo, "PNG", pnginfo=text, exif=exif, dpi=(72, 72), icc_profile=b"profile")
    thin = pixel_chunks(png + b"garbage" * 10)
    assert set(names(png)) > set(names(thin)) == {b"IHDR", b"IDAT", b"IEND", b"eXIf"}
    assert np.array_equal(np.asarray(Image.open(BytesIO(thin))), np.asarray(photo))


def test_later_frames_are_left_out(photo: Image.Image, encode: Encode) -> None:
    other = Image.new("RGB", photo.size, "red")
    thin = pixel_chunks(encode(photo, "PNG", save_all=True, append_images=[other, other]))
    assert set(names(thin)) == {b"IHDR", b"IDAT", b"IEND"}
    assert np.array_equal(np.asarray(Image.open(BytesIO(thin))), np.asarray(photo))


def test_a_broken_chunk_of_pixels_is_rejected_and_another_left_out(
    photo: Image.Image, encode: Encode, png_chunk: Callable[[bytes, bytes], bytes]
) -> None:
    png = bytearray(encode(photo, "PNG"))
    broken_text = bytearray(png_chunk(b"tEXt", b"key\0value"))
    broken_text[-1] ^= 1
    assert pixel_chunks(bytes(png[:START] + broken_text + png[START:])) == bytes(png)
    png[START + 100] ^= 1
    with pytest.raises(Rejection, match="IDAT") as raised:
        pixel_chunks(bytes(png))
    assert raised.value.reason is Reason.CORRUPT

"""Header facts, and every reason that a header gives."""

import random
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from revsearch.imaging.header import Header, read_header
from revsearch.rejects import Reason, Rejection
from revsearch.specs import ImageLimits

Encode = Callable[..., bytes]


def reason_of(data: bytes, limits: ImageLimits) -> Reason:
    with pytest.raises(Rejection) as raised:
        read_header(data, limits)
    return raised.value.reason


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_facts_come_from_the_content(format: str, photo: Image.Image, encode: Encode, limits: ImageLimits) -> None:
    assert read_header(encode(photo, format), limits) == Header(format, 320, 240)  # type: ignore[arg-type]  # a str of the list


def test_an_mpo_is_a_jpeg(photo: Image.Image, encode: Encode, limits: ImageLimits) -> None:
    data = encode(photo, "MPO", save_all=True, append_images=[photo.rotate(180)])
    assert read_header(data, limits) == Header("JPEG", 320, 240)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"<!DOCTYPE html><html></html>", Reason.NOT_AN_IMAGE),
        (b'{"error": 404}', Reason.NOT_AN_IMAGE),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', Reason.NOT_AN_IMAGE),
        (b"%PDF-1.7\n", Reason.NOT_AN_IMAGE),
        (random.Random(0).randbytes(5000), Reason.NOT_AN_IMAGE),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", Reason.TRUNCATED),
    ],
)
def test_what_is_no_picture(data: bytes, reason: Reason, limits: ImageLimits) -> None:
    assert reason_of(data, limits) is reason


@pytest.mark.parametrize("format", ["JPEG2000", "TGA", "DDS", "ICO", "EPS", "PPM", "PCX", "SGI", "QOI", "ICNS", "BLP"])
def test_other_picture_formats(
    format: str, photo: Image.Image, encode: Encode, limits: ImageLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_outside_program(*args: Any, **options: Any) -> None:
        raise AssertionError("an outside program was started")

    image = photo.resize((64, 64))
    data = encode(image.convert("P") if format == "BLP" else image, format)
    monkeypatch.setattr("subprocess.Popen", no_outside_program)
    assert reason_of(data, limits) is Reason.UNSUPPORTED_FORMAT


def test_too_many_bytes(photo: Image.Image, encode: Encode, limits: ImageLimits) -> None:
    data = encode(photo, "BMP")
    assert reason_of(data, replace(limits, max_bytes=len(data) - 1)) is Reason.TOO_MANY_BYTES
    assert read_header(data, replace(limits, max_bytes=len(data))).width == 320


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (40_000, 25_000, Reason.TOO_MANY_PIXELS),
        (2**31 - 1, 2**31 - 1, Reason.TOO_MANY_PIXELS),
        (20_001, 1_000, Reason.TOO_MANY_PIXELS),
        (7_100, 7_100, Reason.TOO_MANY_PIXELS),
        (1, 60_000, Reason.TOO_EXTREME),
        (60_000, 1, Reason.TOO_EXTREME),
        (51, 1, Reason.TOO_EXTREME),
        (0, 5, Reason.CORRUPT),
    ],
)
def test_sizes_out_of_bounds(
    width: int, height: int, reason: Reason, png_claiming: Callable[[int, int], bytes], limits: ImageLimits
) -> None:
    assert reason_of(png_claiming(width, height), limits) is reason


@pytest.mark.parametrize(("width", "height"), [(1, 1), (50, 1), (1, 50), (20_000, 2_500)])
def test_sizes_at_the_bounds(
    width: int, height: int, png_claiming: Callable[[int, int], bytes], limits: ImageLimits
) -> None:
    assert read_header(png_claiming(width, height), limits) == Header("PNG", width, height)


def test_a_gif_whose_frame_outgrows_its_screen(photo: Image.Image, encode: Encode, limits: ImageLimits) -> None:
    gif = bytearray(encode(photo.convert("L"), "GIF"))
    frame = gif.index(b",\0\0\0\0" + struct.pack("<HH", 320, 240))
    gif[frame + 5 : frame + 9] = struct.pack("<HH", 60_000, 60_000)
    assert reason_of(bytes(gif), limits) is Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize("size", [(40_000, 25_000), (2**31 - 1, 2**31 - 1)])
def test_a_lying_header_costs_neither_time_nor_memory(
    size: tuple[int, int], png_claiming: Callable[[int, int], bytes], measured: Callable[[str, bytes], dict[str, Any]]
) -> None:
    found = measured(
        """
        start = time.perf_counter()
        found["outcome"] = outcome(data)
        found["seconds"] = time.perf_counter() - start
        """,
        png_claiming(*size),
    )
    assert found["outcome"] == "too_many_pixels"
    assert found["seconds"] < 0.05
    assert found["peak_mb"] < 20

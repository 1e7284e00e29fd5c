"""Pictures that are whole, cut off or damaged."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile

from revsearch.imaging.decode import upright_rgb
from revsearch.imaging.faults import pictures_at_fault
from revsearch.imaging.header import read_header
from revsearch.specs import ImageLimits

Encode = Callable[..., bytes]
Outcome = Callable[..., str]


def noise() -> Image.Image:
    """A picture of 320 x 240 whose JPEG is all data and hardly any header."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8))


def pixels(data: bytes, limits: ImageLimits, *, allow_truncated: bool = False) -> NDArray[np.int64]:
    """The whole picture, upright, `[h, w, 3]`."""
    with pictures_at_fault():
        return np.asarray(upright_rgb(data, limits, allow_truncated=allow_truncated)[0]).astype(int)


@pytest.mark.parametrize("options", [{"format": "JPEG"}, {"format": "JPEG", "progressive": True}, {"format": "PNG"}])
@pytest.mark.parametrize("percent", [10, 50, 90])
def test_cut_files(
    options: dict[str, Any], percent: int, encode: Encode, limits: ImageLimits, outcome: Outcome
) -> None:
    image = noise()
    whole = encode(image, **options)
    cut = whole[: len(whole) * percent // 100]
    assert outcome(cut) == "truncated"
    assert outcome(cut, allow_truncated=True) == "ok truncated"
    assert read_header(cut, limits).width == 320
    kept = pixels(cut, limits, allow_truncated=True)
    if not options.get("progressive"):  # its scans refine the whole picture bit by bit
        rows = 240 * percent // 100 - 32
        assert np.array_equal(kept[: max(0, rows)], pixels(whole, limits)[: max(0, rows)])


def test_a_progressive_jpeg_may_be_cut_anywhere_after_its_first_scan_header(
    photo: Image.Image, encode: Encode, outcome: Outcome
) -> None:
    whole = encode(photo.resize((64, 48)), "JPEG", progressive=True)
    first_scan = whole.index(b"\xff\xda") + 14  # with its header of three components
    for end in range(first_scan, len(whole) - 2):
        assert outcome(whole[:end], allow_truncated=True) == "ok truncated", end


@pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_other_cut_files_end_in_the_enum(format: str, photo: Image.Image, encode: Encode, outcome: Outcome) -> None:
    whole = encode(photo, format)
    for percent in (10, 50, 90):
        cut = whole[: len(whole) * percent // 100]
        assert outcome(cut) in ("truncated", "corrupt")
        if format in ("GIF", "BMP"):
            assert outcome(cut, allow_truncated=True) == "ok truncated"


def test_a_header_cut_short_cannot_be_allowed(encode: Encode, photo: Image.Image, outcome: Outcome) -> None:
    for data in (encode(photo, "JPEG")[:150], encode(photo, "PNG")[:20], encode(photo, "WEBP")[:40]):
        assert outcome(data, allow_truncated=True) == "truncated"


def test_no_end_and_garbage_after_it(photo: Image.Image, encode: Encode, limits: ImageLimits) -> None:
    png, jpeg = encode(photo, "PNG"), encode(photo, "JPEG")
    assert (pixels(png[:-12], limits) == np.asarray(photo)).all()
    assert (pixels(png + bytes(5000), limits) == np.asarray(photo)).all()
    assert (pixels(jpeg + b"\xff\xd8garbage" * 500, limits) == pixels(jpeg, limits)).all()


def test_every_flipped_bit_of_png_data_is_seen(photo: Image.Image, encode: Encode, outcome: Outcome) -> None:
    png = encode(photo.resize((32, 24)), "PNG")
    first = png.index(b"IDAT") + 4
    for place in range(first, len(png) - 12):
        flipped = bytearray(png)
        flipped[place] ^= 1 << place % 8
        assert outcome(bytes(flipped)) == "corrupt", place


def test_a_flipped_bit_in_a_jpeg_body_is_ok(photo: Image.Image, encode: Encode, outcome: Outcome) -> None:
    jpeg = bytearray(encode(photo, "JPEG"))
    jpeg[len(jpeg) // 2] ^= 1
    assert outcome(bytes(jpeg)) == "ok"


def test_threads_do_not_disturb_each_other(photo: Image.Image, encode: Encode, outcome: Outcome) -> None:
    whole = encode(photo, "JPEG"), encode(photo, "PNG")
    cut = [data[: len(data) // 2] for data in whole]
    jobs = [(data, allow) for data in (*whole, *cut) for allow in (False, True)] * 25
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda job: outcome(job[0], allow_truncated=job[1]), jobs))
    assert found == ["ok"] * 4 + ["truncated", "ok truncated"] * 2 + found[8:]
    assert found == found[:8] * 25
    assert not ImageFile.LOAD_TRUNCATED_IMAGES

"""The bits held against plain loops; copies and other pictures against the distance that tells them apart."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from revsearch.imaging.dhash import dhash
from revsearch.overlap import NEAR_BITS
from revsearch.rejects import Reason, Rejection
from revsearch.specs import ImageLimits

LIMITS = ImageLimits()


def png(pixels: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def hash_of(pixels: np.ndarray) -> int:
    return int(dhash(png(pixels), LIMITS))


def test_of_a_picture_that_need_not_be_shrunk() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (8, 9), np.uint8)
    bits = "".join("1" if grey[y, x + 1] > grey[y, x] else "0" for y in range(8) for x in range(8))
    assert hash_of(grey) == int(bits, 2)


def test_type_and_extremes() -> None:
    assert dhash(png(np.full((20, 30), 7, np.uint8)), LIMITS).dtype == np.uint64
    ramp = np.tile(np.arange(0, 250, 2, dtype=np.uint8), (50, 1))
    assert hash_of(np.full((20, 30), 7, np.uint8)) == hash_of(ramp[:, ::-1].copy()) == 0
    assert hash_of(ramp) == 2**64 - 1


def test_colour_and_size_hardly_matter() -> None:
    blocks = np.random.default_rng(1).integers(0, 256, (9, 8, 3), np.uint8)
    large = np.asarray(Image.fromarray(blocks).resize((320, 240), Image.Resampling.BICUBIC))
    small = np.asarray(Image.fromarray(large).resize((80, 60), Image.Resampling.BICUBIC))
    grey = np.asarray(Image.fromarray(large).convert("L"))
    for other in (small, grey):
        assert (hash_of(large) ^ hash_of(other)).bit_count() <= NEAR_BITS


def test_it_is_the_upright_picture_that_counts() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (8, 9), np.uint8)
    turned, exif = Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_90), Image.Exif()
    exif[0x0112] = 6
    data = io.BytesIO()
    turned.save(data, "PNG", exif=exif)
    assert int(dhash(data.getvalue(), LIMITS)) == hash_of(pixels)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: b"", Reason.EMPTY),
        (lambda data: b"<html>" + data, Reason.NOT_AN_IMAGE),
        (lambda data: data[: len(data) // 2], Reason.TRUNCATED),
        (lambda data: data[:-20] + bytes([data[-20] ^ 1]) + data[-19:], Reason.CORRUPT),
    ],
)
def test_bad_pictures_are_rejected(change: Callable[[bytes], bytes], reason: Reason) -> None:
    data = png(np.random.default_rng(3).integers(0, 256, (60, 60, 3), np.uint8))
    with pytest.raises(Rejection) as caught:
        dhash(change(data), LIMITS)
    assert caught.value.reason is reason


def test_limits_are_kept() -> None:
    with pytest.raises(Rejection) as caught:
        dhash(png(np.zeros((20, 20), np.uint8)), ImageLimits(max_pixels=399))
    assert caught.value.reason is Reason.TOO_MANY_PIXELS


@pytest.mark.data
def test_real_copies_are_near_and_other_pictures_are_not(shared_data: Path) -> None:
    """152 of 159 copies that are smaller, grey or of JPEG quality 12 were found; none of 1,378 pairs of originals."""
    folder = shared_data / "images" / "copies"

    def hash_file(name: str) -> int:
        return int(dhash((folder / name).read_bytes(), LIMITS))

    with (folder / "copies.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["change"] in ("half", "gray", "jpeg_q12")]
    originals = {name: hash_file(name) for name in {row["relevant"] for row in rows}}
    distances = [(hash_file(row["query"]) ^ originals[row["relevant"]]).bit_count() for row in rows]
    assert len(distances) == 159
    assert sum(bits <= NEAR_BITS for bits in distances) >= 150
    hashes = sorted(originals.values())
    pairs = [(one ^ other).bit_count() for place, one in enumerate(hashes) for other in hashes[:place]]
    assert min(pairs) > NEAR_BITS

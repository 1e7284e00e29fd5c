"""Pictures for training views: no larger than needed, and as good as resized whole ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from revsearch.imaging.decode import upright_rgb
from revsearch.imaging.faults import pictures_at_fault
from revsearch.imaging.reduced import decode_reduced
from revsearch.rejects import Reason, Rejection
from revsearch.specs import ImageLimits

Encode = Callable[..., bytes]


def whole(data: bytes, limits: ImageLimits) -> Image.Image:
    """The whole picture, upright."""
    with pictures_at_fault():
        return upright_rgb(data, limits, allow_truncated=False)[0]


def difference(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> float:
    return float(np.abs(left.astype(int) - right).mean())


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
@pytest.mark.parametrize(("side", "shape"), [(240, (240, 320, 3)), (120, (120, 160, 3)), (500, (240, 320, 3))])
def test_the_shorter_side_is_no_longer_than_asked(
    format: str, side: int, shape: tuple[int, ...], photo: Image.Image, encode: Encode, limits: ImageLimits
) -> None:
    found = decode_reduced(encode(photo, format), side, limits)
    assert (found.shape, found.dtype) == (shape, np.uint8)


def test_a_png_is_the_whole_one_resized(photo: Image.Image, encode: Encode, limits: ImageLimits) -> None:
    expected = np.asarray(photo.resize((80, 60), Image.Resampling.BILINEAR))
    assert np.array_equal(decode_reduced(encode(photo, "PNG"), 60, limits), expected)


def test_a_jpeg_below_twice_the_side_is_decoded_whole(photo: Image.Image, encode: Encode, limits: ImageLimits) -> None:
    data = encode(photo, "JPEG")
    expected = np.asarray(whole(data, limits).resize((161, 121), Image.Resampling.BILINEAR))
    assert np.array_equal(decode_reduced(data, 121, limits), expected)


@pytest.mark.parametrize("side", [20, 60, 120])
def test_a_large_jpeg_is_nearly_the_whole_one_resized(
    side: int, photo: Image.Image, encode: Encode, limits: ImageLimits
) -> None:
    data = encode(photo, "JPEG", quality=95)
    found = decode_reduced(data, side, limits)
    expected = whole(data, limits).resize((found.shape[1], found.shape[0]), Image.Resampling.BILINEAR)
    assert difference(found, np.asarray(expected)) < 1.5  # of 255


@pytest.mark.parametrize("turned", range(1, 9))
def test_it_is_upright(turned: int, photo: Image.Image, encode: Encode, limits: ImageLimits) -> None:
    exif = Image.Exif()
    exif[0x0112] = turned
    found = decode_reduced(encode(photo, "JPEG", exif=exif), 60, limits)
    assert found.shape == ((60, 80, 3) if turned < 5 else (80, 60, 3))


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "RGBA", "1"])
def test_every_mode_becomes_rgb(mode: str, photo: Image.Image, encode: Encode, limits: ImageLimits) -> None:
    format = "JPEG" if mode in ("L", "CMYK") else "PNG"
    data = encode(photo.convert(mode), format)
    found = decode_reduced(data, 60, limits)
    expected = whole(data, limits).resize((80, 60), Image.Resampling.BILINEAR)
    assert difference(found, np.asarray(expected)) < 1.5


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda data: b"", Reason.EMPTY),
        (lambda data: b"<html>", Reason.NOT_AN_IMAGE),
        (lambda data: data[: len(data) // 2], Reason.TRUNCATED),
    ],
)
def test_bad_files_are_rejected(
    make: Callable[[bytes], bytes], reason: Reason, photo: Image.Image, encode: Encode, limits: ImageLimits
) -> None:
    with pytest.raises(Rejection) as rejected:
        decode_reduced(make(encode(photo, "JPEG")), 60, limits)
    assert rejected.value.reason is reason


def test_limits_hold_before_any_pixel(png_claiming: Callable[[int, int], bytes], limits: ImageLimits) -> None:
    with pytest.raises(Rejection) as rejected:
        decode_reduced(png_claiming(19_000, 19_000), 60, limits)
    assert rejected.value.reason is Reason.TOO_MANY_PIXELS


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of broken tags
def test_odd_files_end_as_when_embedded(shared_data: Path, outcome: Callable[..., str], limits: ImageLimits) -> None:
    """Whatever can be embedded can be trained on; a picture whose end is missing may be whole when it is reduced."""
    files = sorted(path for path in (shared_data / "hostile").rglob("*") if path.is_file())[::6]
    ends = [(outcome(path.read_bytes()), _outcome(path.read_bytes(), limits)) for path in files]
    assert {reduced.startswith("ok") for whole, reduced in ends if whole.startswith("ok")} == {True}
    assert {whole for whole, reduced in ends if reduced == "ok"} <= {"ok", "ok rescaled", "truncated", "corrupt"}
    assert all(whole == reduced for whole, reduced in ends if reduced != "ok")


def _outcome(data: bytes, limits: ImageLimits) -> str:
    try:
        found = decode_reduced(data, 64, limits)
    except Rejection as rejection:
        return rejection.reason.value
    return "ok" if min(found.shape) > 0 else "no pixels"

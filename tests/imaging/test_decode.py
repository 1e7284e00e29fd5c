"""The rows of the table of hostile image bytes that are about pixels."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFile, ImageOps

from revsearch.imaging.decode import decode, upright_rgb
from revsearch.imaging.faults import pictures_at_fault
from revsearch.space import Preprocess
from revsearch.specs import ImageLimits

Encode = Callable[..., bytes]
Outcome = Callable[..., str]


def pixels(data: bytes, limits: ImageLimits) -> NDArray[np.int64]:
    """The whole picture, upright, `[h, w, 3]`."""
    with pictures_at_fault():
        return np.asarray(upright_rgb(data, limits, allow_truncated=False)[0]).astype(int)


@pytest.mark.parametrize(
    ("format", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 16),
        ("JPEG", {"quality": 95}, 12),
        ("JPEG", {"quality": 95, "progressive": True}, 12),
        ("AVIF", {"quality": 95}, 16),
        ("GIF", {}, 40),
    ],
)
def test_each_format_gives_its_pixels(
    format: str, options: dict[str, Any], tolerance: int, photo: Image.Image, encode: Encode, limits: ImageLimits
) -> None:
    found = pixels(encode(photo, format, **options), limits)
    assert np.abs(found - np.asarray(photo)).max() <= tolerance


def test_the_square_is_that_of_the_whole_picture(
    photo: Image.Image, encode: Encode, preprocess: Preprocess, limits: ImageLimits
) -> None:
    data = encode(photo, "PNG")
    expected = photo.resize((341, 256), Image.Resampling.BILINEAR).crop((58, 16, 58 + 224, 16 + 224))
    decoded = decode(data, preprocess, limits)
    assert np.array_equal(decoded.pixels, np.asarray(expected))
    assert decoded.flags == ()
    assert decoded.pixels.flags.writeable


def test_cmyk_with_adobes_inversion(photo: Image.Image, encode: Encode, limits: ImageLimits) -> None:
    jpeg = encode(photo.convert("CMYK"), "JPEG", quality=95, subsampling=0)
    assert b"Adobe" in jpeg
    assert np.abs(pixels(jpeg, limits) - np.asarray(photo)).max() <= 12
    tiff = encode(photo.convert("CMYK"), "TIFF")
    assert np.abs(pixels(tiff, limits) - np.asarray(photo)).max() <= 12


def test_ycck(photo: Image.Image, encode: Encode, limits: ImageLimits) -> None:
    """YCCK as Adobe writes it: the inverted inks' complement as YCbCr, and transform 2 in the Adobe segment."""
    inks = ImageChops.invert(photo).convert("YCbCr")
    stored = Image.merge("CMYK", [*(ImageChops.invert(band) for band in inks.split()), Image.new("L", photo.size, 0)])
    jpeg = bytearray(encode(stored, "JPEG", quality=95, subsampling=0))
    transform = jpeg.index(b"Adobe") + 11
    assert jpeg[transform] == 0
    jpeg[transform] = 2
    assert np.abs(pixels(bytes(jpeg), limits) - np.asarray(photo)).max() <= 12


def test_16_bit_grey(encode: Encode, limits: ImageLimits) -> None:
    ramp = Image.fromarray(np.tile(np.linspace(0, 65535, 320).astype(np.uint16), (240, 1)))
    for format in ("PNG", "TIFF"):
        found = pixels(encode(ramp, format), limits)
        assert (np.diff(found[0, :, 0]) >= 0).all()
        assert abs(found.mean() - 127) <= 2


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_tiff(dtype: type, encode: Encode, limits: ImageLimits, outcome: Outcome) -> None:
    tiff = encode(Image.fromarray(np.tile(np.arange(300).astype(dtype), (200, 1))), "TIFF")
    assert outcome(tiff) == "ok rescaled"
    found = pixels(tiff, limits)
    assert (found.min(), found.max()) == (0, 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_over_white(mode: str, photo: Image.Image, encode: Encode, limits: ImageLimits) -> None:
    image = photo.convert("LA" if mode == "LA" else "RGBA")
    alpha = Image.new("L", photo.size, 255)
    alpha.paste(0, (0, 0, 160, 240))
    image.putalpha(alpha)
    found = pixels(encode(image.quantize(64) if mode == "P" else image, "PNG"), limits)
    assert (found[:, :160] == 255).all()
    expected = np.asarray(photo.convert("L").convert("RGB") if mode == "LA" else photo)[:, 160:]
    assert np.abs(found[:, 160:] - expected).mean() <= (12 if mode == "P" else 0)  # 64 colours


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_files(mode: str, photo: Image.Image, encode: Encode, limits: ImageLimits) -> None:
    found = pixels(encode(photo.convert(mode), "PNG"), limits)
    assert (found == np.asarray(photo.convert(mode).convert("L"))[..., None]).all()


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "MPO", "AVIF"])
def test_first_frame_only(
    format: str, photo: Image.Image, encode: Encode, limits: ImageLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    red = Image.new("RGB", photo.size, "red")
    data = encode(photo, format, save_all=True, append_images=[red, red])
    loads: list[bool] = []
    load = ImageFile.ImageFile.load

    def counted(self: ImageFile.ImageFile) -> Any:
        loads.append(bool(self.tile))
        return load(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", counted)
    found = pixels(data, limits)
    assert np.abs(found - np.asarray(photo)).mean() <= 6
    assert sum(loads) <= 1  # TIFF's own multi-page driver loads by another way


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_the_eight_orientations_are_one_picture(
    format: str, photo: Image.Image, encode: Encode, preprocess: Preprocess, limits: ImageLimits
) -> None:
    lossless: dict[str, dict[str, Any]] = {
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 95, "subsampling": 0},
        "AVIF": {"quality": 95},
    }
    undo = [None, 0, 3, 1, 5, 2, 6, 4]  # the `Image.Transpose` that stores the upright picture for orientation 1..8
    for value, method in enumerate(undo, start=1):
        stored = photo if method is None else photo.transpose(Image.Transpose(method))
        exif = Image.Exif()
        exif[0x0112] = value
        data = encode(stored, format, exif=exif, **lossless.get(format, {}))
        upright = pixels(data, limits)
        assert upright.shape == (240, 320, 3)
        assert np.abs(upright - np.asarray(photo)).mean() <= (2 if format in ("JPEG", "AVIF") else 0), value
        square = decode(data, preprocess, limits).pixels.astype(int)
        assert np.abs(square - decode(encode(photo, "PNG"), preprocess, limits).pixels).mean() <= 2


def test_orientation_agrees_with_pillows_own(
    photo: Image.Image, encode: Encode, limits: ImageLimits, tmp_path: Path
) -> None:
    for value in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = value
        file = tmp_path / "turned.jpg"
        file.write_bytes(encode(photo, "JPEG", exif=exif))
        with Image.open(file) as image:
            assert np.array_equal(pixels(file.read_bytes(), limits), np.asarray(ImageOps.exif_transpose(image)))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_and_profile_are_ok(format: str, photo: Image.Image, encode: Encode, outcome: Outcome) -> None:
    for exif in (b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01", b"Exif\0\0MM\0*\xff\xff\xff\xff"):
        data = encode(photo, format, exif=exif, icc_profile=b"not a profile")
        assert outcome(data) == "ok"


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (200, 200)])
def test_tiny_long_and_uniform_pictures(
    fit: Any, size: tuple[int, int], encode: Encode, preprocess: Preprocess, outcome: Outcome
) -> None:
    assert outcome(encode(Image.new("RGB", size), "PNG"), replace(preprocess, fit=fit)) == "ok"


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1)])
def test_too_extreme(size: tuple[int, int], encode: Encode, outcome: Outcome) -> None:
    assert outcome(encode(Image.new("L", size), "PNG")) == "too_extreme"

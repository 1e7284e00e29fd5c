"""All of Pillow's colour modes become RGB."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from revsearch.imaging.colour import RESCALED, to_rgb


def rgb(image: Image.Image) -> NDArray[np.uint8]:
    converted, _ = to_rgb(image)
    assert converted.mode == "RGB"
    return np.asarray(converted)


def test_rgb_is_not_copied(photo: Image.Image) -> None:
    assert to_rgb(photo) == (photo, ())
    assert to_rgb(photo)[0] is photo


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_a_16_bit_ramp_stays_a_ramp(dtype: str) -> None:
    ramp = np.tile(np.linspace(0, 65535, 1024).astype(dtype), (4, 1))
    grey = rgb(Image.fromarray(ramp))
    assert (grey[..., 0] == grey[..., 1]).all()
    assert (np.diff(grey[0, :, 0].astype(int)) >= 0).all()
    assert abs(grey.mean() - 127) <= 2
    assert (grey.min(), grey.max()) == (0, 255)


def test_the_transparent_value_of_16_bit_grey_is_white() -> None:
    image = Image.fromarray(np.array([[1000, 30000]], np.uint16))
    image.info["transparency"] = 1000
    assert rgb(image)[0, :, 0].tolist() == [255, 30000 >> 8]


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_values_are_stretched_and_flagged(dtype: type) -> None:
    values: NDArray[np.generic] = (np.arange(600 * 3).reshape(600, 3) * 7 - 900).astype(dtype)
    converted, flags = to_rgb(Image.fromarray(values))
    expected = np.arange(600 * 3).reshape(600, 3) / (600 * 3 - 1) * 255
    assert flags == (RESCALED,)
    assert np.abs(np.asarray(converted)[..., 1] - expected).max() <= 1


def test_floats_that_are_not_finite() -> None:
    row = np.array([[np.nan, np.inf, -np.inf, 0.0, 1.0, 0.5]], np.float32)
    assert rgb(Image.fromarray(row))[0, :, 0].tolist() == [0, 255, 0, 0, 255, 128]
    assert not rgb(Image.fromarray(np.full((2, 2), np.nan, np.float32))).any()
    extremes = np.array([[np.finfo(np.float32).min, np.finfo(np.float32).max]], np.float32)
    assert rgb(Image.fromarray(extremes))[0, :, 0].tolist() == [0, 255]
    assert not rgb(Image.fromarray(np.full((2, 2), 7.0, np.float32))).any()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa"])
def test_transparent_parts_lie_over_white(mode: str) -> None:
    grey = Image.new("LA", (3, 1))
    for x, alpha in enumerate((0, 128, 255)):
        grey.putpixel((x, 0), (100, alpha))
    image = grey if mode == "LA" else grey.convert("RGBA")
    pixels = rgb(image.convert(mode))
    assert (pixels[0, 0] == 255).all()
    assert np.abs(pixels[0, 1].astype(int) - (100 * 128 + 255 * 127) / 255).max() <= 2
    assert np.abs(pixels[0, 2].astype(int) - 100).max() <= 1


def test_a_palette_with_a_transparent_entry() -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "L").convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.info["transparency"] = 1
    assert rgb(image).tolist() == [[[10, 20, 30], [255, 255, 255], [70, 80, 90]]]
    image.info["transparency"] = bytes([255, 255, 0])
    assert rgb(image).tolist() == [[[10, 20, 30], [40, 50, 60], [255, 255, 255]]]


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_has_three_equal_channels(mode: str, photo: Image.Image) -> None:
    grey = photo.convert(mode)
    pixels = rgb(grey)
    assert (pixels == np.asarray(grey.convert("L"))[..., None]).all()


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "LAB"])
def test_other_colour_spaces(mode: str, photo: Image.Image) -> None:
    if mode == "LAB":
        from PIL import ImageCms

        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(photo, srgb, lab, outputMode="LAB")
        assert image is not None
        assert np.abs(rgb(image).astype(int) - np.asarray(photo)).mean() <= 3  # a*, b* have 8 bits each
    else:
        assert np.abs(rgb(photo.convert(mode)).astype(int) - np.asarray(photo)).max() <= 12

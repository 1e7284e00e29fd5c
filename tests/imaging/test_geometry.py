"""Upright, and square, as torchvision does it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from revsearch.imaging.geometry import fit_square, longer_side_to, orientation, shorter_side_to, turn
from revsearch.space import Interpolation, Preprocess

SIZES = [(500, 375), (375, 500), (256, 256), (257, 255), (100, 61), (33, 47), (300, 7), (1, 50), (1, 1), (225, 1000)]


def noise(size: tuple[int, int]) -> Image.Image:
    width, height = size
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize(("resize", "size"), [(256, 224), (232, 224), (224, 224), (342, 299), (61, 40), (60, 81)])
def test_crop_equals_torchvision(resize: int, size: int, interpolation: Interpolation, preprocess: Preprocess) -> None:
    functional: Any = pytest.importorskip("torchvision.transforms.v2.functional")
    modes: Any = pytest.importorskip("torchvision.transforms").InterpolationMode
    ours = replace(preprocess, resize=resize, size=size, interpolation=interpolation)
    for extent in SIZES:
        image = noise(extent)
        resized = functional.resize(image, [resize], interpolation=modes(interpolation), antialias=True)
        expected = np.asarray(functional.center_crop(resized, [size, size]))
        assert np.array_equal(np.asarray(fit_square(image, ours)), expected), extent


def test_crop_equals_the_preset_of_weights(preprocess: Preprocess) -> None:
    presets: Any = pytest.importorskip("torchvision.transforms._presets")
    preset = presets.ImageClassification(crop_size=224, resize_size=256, mean=(0.0,) * 3, std=(1.0,) * 3)
    for extent in ((500, 375), (61, 100)):
        expected = (preset(noise(extent)) * 255).round().permute(1, 2, 0).numpy().astype(np.uint8)
        assert np.array_equal(np.asarray(fit_square(noise(extent), preprocess)), expected)


@pytest.mark.parametrize("extent", [(40, 20), (20, 40), (7, 7), (50, 1), (300, 200)])
def test_pad_keeps_the_aspect_and_fills_with_the_mean(extent: tuple[int, int], preprocess: Preprocess) -> None:
    square = np.asarray(fit_square(Image.new("RGB", extent, "red"), replace(preprocess, fit="pad", size=64)))
    mean = [round(255 * channel) for channel in preprocess.mean]
    red = (square == [255, 0, 0]).all(axis=-1)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    assert square.shape == (64, 64, 3)
    assert (len(columns), len(rows)) == longer_side_to(extent, 64)
    assert max(len(columns), len(rows)) == 64
    for place in (rows, columns):  # centred to the pixel
        assert abs(place[0] - (63 - place[-1])) <= 1
    assert (square[~red] == mean).all()


def test_squash_resizes_both_sides(preprocess: Preprocess) -> None:
    image = noise((90, 30))
    squashed = fit_square(image, replace(preprocess, fit="squash", size=48))
    assert np.array_equal(np.asarray(squashed), np.asarray(image.resize((48, 48), Image.Resampling.BILINEAR)))


def test_sides() -> None:
    assert shorter_side_to((500, 375), 256) == (341, 256)  # 341.33
    assert shorter_side_to((375, 500), 256) == (256, 341)
    assert longer_side_to((500, 375), 160) == (160, 120)
    assert longer_side_to((100, 1), 20) == (20, 1)


def test_orientations_are_exifs_own(photo: Image.Image) -> None:
    """In EXIF's words: 6 is 'row 0 is the right side, column 0 the top'; the corner of the scene is followed."""
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3)  # 0 1 2 / 3 4 5
    top_left = {1: 0, 2: 2, 3: 5, 4: 3, 5: 0, 6: 3, 7: 5, 8: 2}
    right_of_it = {1: 1, 2: 1, 3: 4, 4: 4, 5: 3, 6: 0, 7: 2, 8: 5}
    for value in range(1, 9):
        upright = np.asarray(turn(Image.fromarray(stored), value))
        assert (upright[0, 0], upright[0, 1]) == (top_left[value], right_of_it[value]), value
    for value in (0, 9, -1, 1000):
        assert turn(photo, value) is photo


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0garbage garbage", b"MM\0"]
)
def test_broken_exif_means_upright(exif: bytes, photo: Image.Image) -> None:
    image = photo.copy()
    image.info["exif"] = exif
    assert orientation(image) == 1


def test_an_orientation_that_is_no_number(photo: Image.Image) -> None:
    image = photo.copy()
    image.getexif()[0x0112] = "sideways"
    assert orientation(image) == 1

import colorsys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from revsearch.descriptors.color_histogram import SPACE, ColorHistogram
from revsearch.errors import SpaceMismatch

SIZE = SPACE.preprocess.size
ENCODER = ColorHistogram()


def plain(*colour: int) -> np.ndarray:
    return np.full((1, SIZE, SIZE, 3), colour, np.uint8)


def test_gives_unit_vectors_of_the_spaces_dim() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    vectors = ENCODER(pixels)
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, SPACE.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (7, 7, 7)])
def test_no_uniform_picture_is_without_a_vector(colour: tuple[int, int, int]) -> None:
    assert np.linalg.norm(ENCODER(plain(*colour))) == pytest.approx(1, abs=1e-5)


def test_agrees_with_a_naive_loop_over_pixels() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (1, SIZE, SIZE, 3), dtype=np.uint8)
    histogram = np.zeros((24, 4, 4))
    for y in range(SIZE):
        for x in range(SIZE):
            centred = [2 * place / (SIZE - 1) - 1 for place in (y, x)]
            weight = np.exp(-(centred[0] ** 2 + centred[1] ** 2) / (2 * 0.4**2))
            hsv = colorsys.rgb_to_hsv(*(((channel >> 3) + 0.5) / 32 for channel in pixels[0, y, x].tolist()))
            for corner in np.ndindex(2, 2, 2):
                place, share = [], weight
                for value, count, step in zip(hsv, (24, 4, 4), corner, strict=True):
                    low = int(np.floor(value * count - 0.5))
                    upper = value * count - 0.5 - low
                    share *= upper if step else 1 - upper
                    place.append(low + step)
                histogram[place[0] % 24, min(max(place[1], 0), 3), min(max(place[2], 0), 3)] += share
    expected = np.sqrt(histogram / histogram.sum()).ravel()
    np.testing.assert_allclose(ENCODER(pixels)[0], expected, atol=1e-5)


def test_a_picture_is_embedded_the_same_in_any_batch() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(ENCODER(pixels), np.concatenate([ENCODER(row[None]) for row in pixels]))
    assert ENCODER(pixels[:0]).shape == (0, SPACE.dim)


def test_alike_colours_are_closer_than_others() -> None:
    red, reddish, blue = (ENCODER(plain(*colour))[0] for colour in ((200, 30, 30), (210, 36, 28), (30, 30, 200)))
    assert red @ reddish > 0.8 > red @ blue


def test_refuses_other_sizes_and_other_revisions() -> None:
    with pytest.raises(SpaceMismatch, match=r"expected pictures uint8 \[b, 96, 96, 3\], found uint8 \[1, 64, 64, 3\]"):
        ENCODER(np.zeros((1, 64, 64, 3), np.uint8))
    with pytest.raises(SpaceMismatch, match="revision-99"):
        ColorHistogram(replace(SPACE, weights="revision-99"))


@pytest.mark.data
def test_finds_products_by_their_colour(shared_data: Path) -> None:
    vectors, labels = {}, {}
    for split in ("query", "gallery"):
        paths = sorted((shared_data / "images" / "products" / split).glob("*/*.jpg"))
        pictures = [Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR) for path in paths]
        vectors[split] = ENCODER(np.stack([np.asarray(picture) for picture in pictures]))
        labels[split] = np.array([path.parent.name for path in paths])
    nearest = (vectors["query"] @ vectors["gallery"].T).argmax(axis=1)
    assert np.mean(labels["gallery"][nearest] == labels["query"]) > 0.55  # .61 measured; chance is .02

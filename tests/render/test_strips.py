import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from revsearch.errors import InvalidSpec
from revsearch.render.strips import reconstruction_png, triplets_png
from revsearch.render.training_report import Triplet, View

MakePictures = Callable[..., np.ndarray]


def pixels(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.mode) == ("PNG", "RGBA")
    assert "Software" not in image.info
    return np.asarray(image)


@pytest.mark.parametrize(("n", "side"), [(1, 16), (5, 32), (3, 97)])
def test_reconstructions_lie_below_their_pictures_pixel_for_pixel(
    n: int, side: int, make_pictures: MakePictures
) -> None:
    originals, rebuilt = make_pictures(n, side), make_pictures(n, side, seed=1)
    shown = pixels(reconstruction_png(originals, rebuilt))
    assert shown.shape == (2 * side + 6, 70 + n * (side + 6) - 6, 4)
    for number in range(n):
        x = 70 + number * (side + 6)
        np.testing.assert_array_equal(shown[:side, x : x + side, :3], originals[number])
        np.testing.assert_array_equal(shown[side + 6 :, x : x + side, :3], rebuilt[number])
    assert not shown[side : side + 6, 70:, 3].any(), "gaps show what is behind"
    assert shown[:, :70, 3].any(), "rows are named"


def test_triplets_are_rows(make_pictures: MakePictures) -> None:
    views = [View("id", "label", picture) for picture in make_pictures(6, 64)]
    shown = pixels(triplets_png([Triplet(*views[:3]), Triplet(*views[3:])]))
    assert shown.shape == (24 + 2 * 64 + 6, 3 * 64 + 12, 4)
    for number, view in enumerate(views):
        y, x = 24 + number // 3 * 70, number % 3 * 70
        np.testing.assert_array_equal(shown[y : y + 64, x : x + 64, :3], view.pixels)
    assert shown[:24, :, 3].any(), "columns are named"


@pytest.mark.parametrize(("n", "n_rebuilt"), [(0, 0), (2, 1)])
def test_a_picture_without_its_reconstruction_is_refused(n: int, n_rebuilt: int, make_pictures: MakePictures) -> None:
    with pytest.raises(InvalidSpec, match=rf"found \[{n}, 12, 12, 3\] and \[{n_rebuilt}, 12, 12, 3\]"):
        reconstruction_png(make_pictures(n), make_pictures(n_rebuilt))


def test_no_triplets_are_no_picture() -> None:
    with pytest.raises(InvalidSpec, match="at least one"):
        triplets_png([])

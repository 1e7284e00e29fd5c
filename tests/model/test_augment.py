"""Views: the same for a seed, of the size asked for, and what each field does to them."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from revsearch.model.augment import Augmentation, as_tensor
from revsearch.train_specs import TripletSpec

PLAIN = {
    "crop": 1.0,
    "flip": 0.0,
    "rotate": 0.0,
    "zoom": 0.0,
    "shift": 0.0,
    "jitter": 0.0,
    "hue": 0.0,
    "grayscale": 0.0,
}


def picture(height: int = 90, width: int = 120) -> NDArray[np.uint8]:
    """A smooth coloured picture without symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [x * 255 / (width - 1), y * 255 / (height - 1), 128 + 100 * np.sin(x / 9) * np.cos(y / 13)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def augmentation(size: int = 32, **options: Any) -> Augmentation:
    return Augmentation(TripletSpec("manifest/x", **options), size)


def views(n: int = 40, **options: Any) -> Tensor:
    """Views of one picture by as many seeds, `[n, 3, 32, 32]`, as numbers."""
    augment = augmentation(**{**PLAIN, **options})
    return torch.stack([augment(picture(), seed) for seed in range(n)]).float()


@pytest.mark.parametrize("shape", [(90, 120), (120, 90), (20, 20), (1, 1), (1, 50), (200, 10)])
def test_size_and_type(shape: tuple[int, int]) -> None:
    everything = {"rotate": 20.0, "zoom": 0.2, "shift": 0.1, "grayscale": 0.5}
    view = augmentation(48, **everything)(picture(*shape) if min(shape) > 1 else np.zeros((*shape, 3), np.uint8), 0)
    assert (view.shape, view.dtype) == ((3, 48, 48), torch.uint8)


def test_a_seed_gives_a_view_and_another_seed_another() -> None:
    augment = augmentation(rotate=10.0, zoom=0.1, shift=0.1, grayscale=0.1)
    first = [augment(picture(), seed) for seed in range(20)]
    again = [augment(picture(), seed) for seed in reversed(range(20))][::-1]
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert len({view.numpy().tobytes() for view in first}) == 20
    assert torch.equal(augmentation(rotate=10.0, zoom=0.1, shift=0.1, grayscale=0.1)(picture(), 7), first[7])


def test_random_numbers_of_others_stay_as_they_were() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    augmentation()(picture(), 2**63 - 1)
    assert torch.equal(torch.rand(3), expected)


def test_the_picture_is_not_written_to() -> None:
    given = picture(32, 32)
    given.setflags(write=True)
    kept = given.copy()
    for seed in range(20):
        augmentation()(given, seed)
    assert np.array_equal(given, kept)


def test_nothing_asked_for_nothing_done() -> None:
    whole = torch.nn.functional.interpolate(
        as_tensor(picture())[None].float(), (32, 32), mode="bilinear", antialias=True
    )
    # torchvision draws the aspect even of a crop that is all of the picture: a row or column may be missing
    assert (views(20) - whole).abs().mean(dim=(1, 2, 3)).max() < 2  # of 255


def test_crop_is_the_least_share_of_the_picture() -> None:
    """The red channel rises by 255 over the width: its range in a view is the share of the width that it shows."""
    found = views(crop=0.3)
    ranges = (found.amax((2, 3)) - found.amin((2, 3))) / 255  # [n, 3]; green rises over the height
    area = ranges[:, 0] * ranges[:, 1]
    assert area.min() > 0.2
    assert area.min() < 0.45
    assert area.max() > 0.75


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.5, 10, 30), (1.0, 40, 40)])
def test_flip_is_a_share(share: float, low: int, high: int) -> None:
    red = views(flip=share)[:, 0]
    n_mirrored = int((red[:, 16, 0] > red[:, 16, -1]).sum())
    assert low <= n_mirrored <= high


def test_hue_leaves_grey_and_jitter_changes_brightness() -> None:
    grey = np.full((40, 40, 3), 100, np.uint8)
    hue, jitter = (augmentation(**{**PLAIN, **some}) for some in ({"hue": 0.3}, {"jitter": 0.4}))
    assert all((hue(grey, seed).float() - 100).abs().max() <= 1 for seed in range(10))
    levels = torch.stack([jitter(grey, seed).float().mean() for seed in range(40)])
    assert levels.min() < 85
    assert levels.max() > 115
    assert levels.min() >= 100 * 0.6 * 0.6
    assert not torch.equal(*views(2, hue=0.3))


def test_grayscale_is_a_share() -> None:
    found = views(grayscale=0.5)
    n_grey = sum(bool((view[0] == view[2]).all()) for view in found)
    assert 10 <= n_grey <= 30


@pytest.mark.parametrize("some", [{"rotate": 30.0}, {"zoom": 0.3}, {"shift": 0.3}])
def test_turned_zoomed_and_shifted_views_differ_and_show_grey_beside_them(some: dict[str, float]) -> None:
    found = views(**some)
    assert len({view.numpy().tobytes() for view in found}) > 30
    corners = found[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]  # [n, 3, 4]
    assert (corners == 128).all(dim=1).any()


def test_the_source_is_large_enough_for_the_smallest_crop() -> None:
    assert augmentation(160, crop=0.25).source_side == 320
    assert augmentation(160, crop=1.0).source_side == 160


def test_as_tensor_is_a_view_of_the_picture() -> None:
    given = picture()
    found = as_tensor(given)
    assert found.shape == (3, 90, 120)
    assert found.data_ptr() == given.ctypes.data
    assert np.array_equal(found.numpy(), given.transpose(2, 0, 1))

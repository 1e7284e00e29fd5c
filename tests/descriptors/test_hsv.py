import colorsys

import numpy as np
import pytest

from revsearch.descriptors.hsv import soft_bins, to_hsv

COUNTS = (6, 3, 2)


def test_agrees_with_the_standard_library() -> None:
    colours = np.random.default_rng(0).integers(0, 4, (200, 3)) / 3  # ties between channels included
    np.testing.assert_allclose(to_hsv(colours), [colorsys.rgb_to_hsv(*colour) for colour in colours], atol=1e-12)


def test_shares_of_a_colour_sum_to_one_and_bins_exist() -> None:
    bins, shares = soft_bins(np.random.default_rng(0).random((500, 3)), COUNTS)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares.min() >= 0
    assert bins.min() >= 0
    assert bins.max() < np.prod(COUNTS)


def test_the_centre_of_a_bin_is_wholly_in_it() -> None:
    centre = (np.array([[2, 1, 0]]) + 0.5) / COUNTS
    bins, shares = soft_bins(centre, COUNTS)
    assert bins[0, shares[0] > 1e-9].tolist() == [(2 * 3 + 1) * 2 + 0]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_hue_is_cyclic_and_the_others_are_not(axis: int) -> None:
    low, high = np.full((1, 3), 0.5), np.full((1, 3), 0.5)
    low[0, axis], high[0, axis] = 0.0, 1.0
    histograms = [
        np.bincount(bins.ravel(), shares.ravel(), 36)
        for bins, shares in (soft_bins(low, COUNTS), soft_bins(high, COUNTS))
    ]
    assert np.allclose(*histograms) == (axis == 0)

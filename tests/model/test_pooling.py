import numpy as np
import torch

from revsearch.model.pooling import GeneralizedMean, pooling_layer

MAPS = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))


def test_average_and_maximum_of_each_channel() -> None:
    flat = MAPS.flatten(2).numpy()
    np.testing.assert_allclose(pooling_layer("gap")(MAPS), flat.mean(axis=2), rtol=1e-5)
    np.testing.assert_array_equal(pooling_layer("max")(MAPS), flat.max(axis=2))


def test_generalized_mean_is_the_cubic_mean_of_what_is_positive() -> None:
    positive = np.maximum(MAPS.flatten(2).double().numpy(), 1e-6)
    expected = np.mean(positive**3, axis=2) ** (1 / 3)
    np.testing.assert_allclose(pooling_layer("gem")(MAPS), expected, rtol=1e-5)


def test_generalized_mean_goes_from_average_to_maximum() -> None:
    maps = MAPS.abs()
    torch.testing.assert_close(GeneralizedMean(p=1)(maps), pooling_layer("gap")(maps))
    torch.testing.assert_close(GeneralizedMean(p=50)(maps), pooling_layer("max")(maps), rtol=0.1, atol=0)


def test_native_changes_nothing() -> None:
    vectors = MAPS[:, :, 0, 0]
    assert pooling_layer("native")(vectors) is vectors

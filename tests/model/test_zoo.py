import pytest

from revsearch.model.zoo import own_preprocess, weights_url
from revsearch.space import Preprocess

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("resnet50:IMAGENET1K_V1", Preprocess("crop", 256, 224, "bilinear", MEAN, STD)),
        ("resnet50:IMAGENET1K_V2", Preprocess("crop", 232, 224, "bilinear", MEAN, STD)),
        ("resnet50", Preprocess("crop", 232, 224, "bilinear", MEAN, STD)),
        ("efficientnet_b0", Preprocess("crop", 256, 224, "bicubic", MEAN, STD)),
        ("vit_b_16:IMAGENET1K_SWAG_E2E_V1", Preprocess("crop", 384, 384, "bicubic", MEAN, STD)),
        ("inception_v3", Preprocess("crop", 342, 299, "bilinear", MEAN, STD)),
    ],
)
def test_preprocessing_is_that_of_the_weights(text: str, expected: Preprocess) -> None:
    architecture, _, weights = text.partition(":")
    assert own_preprocess(architecture, weights or None) == expected


def test_weights_with_their_own_mean_keep_it() -> None:
    own = own_preprocess("vgg16", "IMAGENET1K_FEATURES")
    assert own.mean == pytest.approx((0.48235, 0.45882, 0.40784))
    assert own.std == pytest.approx((1 / 255,) * 3)


def test_url_names_torchvisions_file() -> None:
    assert weights_url("resnet50", "IMAGENET1K_V2").endswith("/resnet50-11ad3fa6.pth")

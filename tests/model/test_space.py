import pytest

from revsearch.errors import InvalidSpec
from revsearch.model.names import parse_encoder_name
from revsearch.model.space import describe
from revsearch.space import EmbeddingSpace, Fit, Pooling, Preprocess

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def described(
    text: str, *, pooling: Pooling | None = None, fit: Fit | None = None, image_size: int | None = None
) -> EmbeddingSpace:
    return describe(parse_encoder_name(text), "sha256:ab", pooling=pooling, fit=fit, image_size=image_size)


def test_weights_give_the_preprocessing_and_the_model_the_rest() -> None:
    assert described("resnet50:IMAGENET1K_V2") == EmbeddingSpace(
        "resnet50", "sha256:ab", Preprocess("crop", 232, 224, "bilinear", MEAN, STD), "gap", 2048
    )


def test_random_weights_have_the_preprocessing_of_the_default_ones() -> None:
    assert described("resnet50:random-3").preprocess == described("resnet50:IMAGENET1K_V2").preprocess


@pytest.mark.parametrize("pooling", ["gap", "max", "gem"])
def test_feature_maps_are_pooled_as_asked(pooling: Pooling) -> None:
    assert described("mobilenet_v2", pooling=pooling).pooling == pooling


@pytest.mark.parametrize("architecture", ["vit_b_16", "swin_t"])
def test_models_without_a_feature_map_have_their_own_vector(architecture: str) -> None:
    assert described(architecture).pooling == described(architecture, pooling="native").pooling == "native"


@pytest.mark.parametrize(("architecture", "pooling"), [("vit_b_16", "gap"), ("swin_t", "gem"), ("resnet18", "native")])
def test_refuses_pooling_that_does_not_go_with_the_model(architecture: str, pooling: Pooling) -> None:
    with pytest.raises(InvalidSpec, match=rf"--pooling: {architecture} gives a .* found {pooling}"):
        described(architecture, pooling=pooling)


def test_the_shorter_side_scales_with_the_image_size() -> None:
    preprocess = described("resnet50:IMAGENET1K_V1", image_size=160, fit="pad").preprocess
    assert (preprocess.fit, preprocess.resize, preprocess.size) == ("pad", 183, 160)  # 160 * 256 / 224 = 182.9


def test_refuses_sizes_the_model_cannot_take() -> None:
    with pytest.raises(InvalidSpec, match="--image-size: vit_b_16 takes 224 with these weights, found 256"):
        described("vit_b_16", image_size=256)
    with pytest.raises(InvalidSpec, match="--image-size: alexnet cannot take inputs of 32 x 32"):
        described("alexnet", image_size=32)
    assert described("vit_b_16", image_size=224).preprocess.size == 224

import pytest

from revsearch.errors import InvalidSpec
from revsearch.model.names import EncoderName, parse_encoder_name, zoo_names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("resnet50:IMAGENET1K_V2", EncoderName("resnet50", "IMAGENET1K_V2", None)),
        ("resnet50", EncoderName("resnet50", "IMAGENET1K_V2", None)),
        ("alexnet", EncoderName("alexnet", "IMAGENET1K_V1", None)),
        ("resnet50:random-0", EncoderName("resnet50", "random-0", None)),
        (
            "mobilenet_v2:IMAGENET1K_V1@path/mine.pth",
            EncoderName("mobilenet_v2", "IMAGENET1K_V1", "path/mine.pth"),
        ),
        (
            "mobilenet_v2:IMAGENET1K_V1@s3://b/m@2:x.pth",
            EncoderName("mobilenet_v2", "IMAGENET1K_V1", "s3://b/m@2:x.pth"),
        ),
        ("mobilenet_v2@mine.pth", EncoderName("mobilenet_v2", "IMAGENET1K_V2", "mine.pth")),
    ],
)
def test_parses(text: str, expected: EncoderName) -> None:
    assert parse_encoder_name(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resnet5", r"found 'resnet5'; did you mean resnet50\?"),
        ("ResNet50", r"did you mean resnet50\?"),
        ("fasterrcnn_resnet50_fpn", "classification models"),
        ("resnet50:IMAGENET1K_V3", "IMAGENET1K_V1, IMAGENET1K_V2, random-SEED; found 'IMAGENET1K_V3'; did you mean"),
        ("resnet50:random-x", "random-SEED; found 'random-x'"),
        ("resnet50:random--1", "random-SEED"),
        ("resnet50:random-0@mine.pth", "leave out one"),
        ("resnet50:", "expected MODEL"),
        ("resnet50:IMAGENET1K_V2@", "expected MODEL"),
        (":IMAGENET1K_V2", "expected MODEL"),
        ("", "expected MODEL"),
    ],
)
def test_refuses(text: str, message: str) -> None:
    with pytest.raises(InvalidSpec, match=message):
        parse_encoder_name(text)


def test_seed_of_random_weights() -> None:
    assert parse_encoder_name("resnet18:random-17").seed == 17
    assert parse_encoder_name("resnet18").seed is None


def test_the_zoo_has_classification_models_of_still_images_only() -> None:
    names = zoo_names()
    assert {"resnet50", "vit_b_16", "swin_v2_t", "maxvit_t", "convnext_tiny"} <= set(names)
    assert not {"raft_large", "r3d_18", "mvit_v1_b", "fcn_resnet50", "ssd300_vgg16", "quantized_resnet50"} & set(names)
    assert names == sorted(names)

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from revsearch.errors import InvalidSpec
from revsearch.model.backbone import FeatureKind, backbone, probe
from revsearch.model.families import build, family_of
from revsearch.model.names import zoo_names
from revsearch.model.values import random
from revsearch.model.zoo import own_preprocess

DIMS = {
    "resnet18": 512, "resnet50": 2048, "resnext50_32x4d": 2048, "wide_resnet101_2": 2048, "vgg16": 512, "alexnet": 256,
    "densenet121": 1024, "mobilenet_v2": 1280, "mobilenet_v3_large": 960, "mobilenet_v3_small": 576,
    "efficientnet_b0": 1280, "efficientnet_v2_s": 1280, "regnet_y_128gf": 7392, "shufflenet_v2_x1_0": 1024,
    "squeezenet1_1": 512, "mnasnet1_0": 1280, "googlenet": 1024, "inception_v3": 2048, "convnext_tiny": 768,
    "vit_b_16": 768, "vit_h_14": 1280, "swin_t": 768, "swin_v2_b": 1024, "maxvit_t": 512,
}  # fmt: skip


def own_size(architecture: str) -> int:
    return own_preprocess(architecture, None).size


@pytest.mark.parametrize("architecture", zoo_names())
def test_every_model_gives_a_feature_map_or_its_own_vector(architecture: str) -> None:
    kind, dim = probe(architecture, own_size(architecture))
    has_map = not architecture.startswith(("vit_", "swin_", "maxvit_"))
    assert kind is (FeatureKind.MAP if has_map else FeatureKind.NATIVE)
    assert dim == DIMS.get(architecture, dim)
    assert dim >= 256


def gap(head: str) -> Callable[[nn.Module, Tensor], Tensor]:
    return lambda model, features: model.get_submodule(head)(features.mean((2, 3)))


# From features to class scores, as each model's forward() does it.
HEADS: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "resnet18": gap("fc"),
    "regnet_y_400mf": gap("fc"),
    "shufflenet_v2_x0_5": gap("fc"),
    "googlenet": gap("fc"),
    "inception_v3": gap("fc"),
    "mobilenet_v2": gap("classifier"),
    "mobilenet_v3_small": gap("classifier"),
    "efficientnet_b0": gap("classifier"),
    "mnasnet0_5": gap("classifier"),
    "densenet121": gap("classifier"),
    "squeezenet1_1": lambda model, features: model.classifier(features).flatten(1),
    "convnext_tiny": lambda model, features: model.classifier(functional.adaptive_avg_pool2d(features, 1)),
    "alexnet": lambda model, features: model.classifier(model.avgpool(features).flatten(1)),
    "swin_t": lambda model, features: features @ model.head.weight.T + model.head.bias,
    "swin_v2_t": lambda model, features: features @ model.head.weight.T + model.head.bias,
    "maxvit_t": lambda model, features: features @ model.classifier[5].weight.T,
    "vit_b_32": lambda model, features: features @ model.heads.head.weight.T + model.heads.head.bias,
}


@pytest.mark.slow
@pytest.mark.parametrize("architecture", HEADS)
@torch.inference_mode()
def test_features_are_those_the_classifier_takes(architecture: str) -> None:
    size = own_size(architecture) if family_of(architecture).fixed_size else 96
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    whole = random(architecture, size, 0)
    if hasattr(whole, "transform_input"):
        whole.transform_input = True  # as torchvision sets it with weights
    expected = whole(x)
    features = backbone(architecture, random(architecture, size, 0))(x)
    scores = HEADS[architecture](whole, features)
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())


def test_auxiliary_classifiers_are_gone() -> None:
    assert not any("aux" in name.lower() for name, _ in backbone("googlenet", build("googlenet", 96)).named_modules())


@pytest.mark.parametrize(
    ("architecture", "size"), [("alexnet", 32), ("inception_v3", 48), ("maxvit_t", 100), ("vit_b_16", 100)]
)
def test_refuses_sizes_a_model_cannot_take(architecture: str, size: int) -> None:
    with pytest.raises(InvalidSpec, match=rf"--image-size: {architecture} cannot take inputs of {size} x {size}"):
        probe(architecture, size)

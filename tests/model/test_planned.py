from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from revsearch.descriptors.color_histogram import SPACE as HISTOGRAM
from revsearch.errors import InvalidSpec
from revsearch.model.planned import planned_space, view_size
from revsearch.space import EmbeddingSpace
from revsearch.train_specs import (
    AutoencoderSpec,
    ClassifierSpec,
    ContrastiveSpec,
    TrainSpec,
    TripletAutoencoderSpec,
    TripletSpec,
)

Zoo = Callable[..., EmbeddingSpace]


@pytest.mark.parametrize("kind", [AutoencoderSpec, TripletAutoencoderSpec])
def test_an_autoencoder_is_named_by_its_width(kind: type[AutoencoderSpec]) -> None:
    space = planned_space(kind("m", width=16, dim=40, normalise="imagenet"), None)
    assert (space.encoder, space.weights, space.pooling, space.dim) == ("autoencoder-w16", "", "native", 40)
    assert (space.preprocess.fit, space.preprocess.resize, space.preprocess.size) == ("crop", 73, 64)
    assert space.preprocess.mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize(
    ("normalise", "mean", "std"), [("half", (0.5,) * 3, (0.5,) * 3), ("none", (0.0,) * 3, (1.0,) * 3)]
)
def test_a_classifier_from_scratch(normalise: Any, mean: Any, std: Any) -> None:
    space = planned_space(ClassifierSpec("m", width=16, pooling="max", fit="pad", normalise=normalise), None)
    assert (space.encoder, space.weights, space.pooling, space.dim) == ("cnn-w16", "", "max", 128)
    assert (space.preprocess.fit, space.preprocess.resize, space.preprocess.size) == ("pad", 110, 96)
    assert (space.preprocess.mean, space.preprocess.std) == (mean, std)
    headed = planned_space(ClassifierSpec("m", width=16, head="mlp", dim=7), None)
    assert (headed.encoder, headed.pooling, headed.dim) == ("cnn-w16+mlp", "gap", 7)


@pytest.mark.parametrize("spec", [AutoencoderSpec("m", image_size=40), ClassifierSpec("m", image_size=40)])
def test_from_scratch_the_size_is_that_of_views_and_of_the_space(spec: TrainSpec) -> None:
    space = planned_space(spec, None)
    assert (space.preprocess.resize, space.preprocess.size, view_size(spec, space)) == (46, 40, 40)


@pytest.mark.parametrize("kind", [TripletSpec, ContrastiveSpec, ClassifierSpec])
@pytest.mark.parametrize(
    ("head", "encoder", "dim"), [("none", "+identity", 1280), ("linear", "+linear", 9), ("mlp", "+mlp", 9)]
)
def test_a_backbone_keeps_what_it_sees(zoo_space: Zoo, kind: Any, head: Any, encoder: str, dim: int) -> None:
    start = zoo_space("mobilenet_v2")
    space = planned_space(kind("m", encoder="mobilenet_v2", head=head, dim=9, image_size=96), start)
    assert space == replace(start, encoder=f"mobilenet_v2{encoder}", weights="", dim=dim)


@pytest.mark.parametrize(
    ("model", "asked", "expected"),
    [
        ("mobilenet_v2", None, 160),
        ("inception_v3", None, 224),
        ("efficientnet_b3", None, 224),
        ("swin_t", None, 160),
        ("mobilenet_v2", 100, 100),
        ("vit_b_16", None, 224),
        ("vit_b_16", 224, 224),
        ("maxvit_t", None, 224),
    ],
)
def test_views_are_smaller_than_what_is_embedded(zoo_space: Zoo, model: str, asked: int | None, expected: int) -> None:
    spec, start = TripletSpec("m", encoder=model, image_size=asked), zoo_space(model)
    space = planned_space(spec, start)
    assert view_size(spec, space) == expected
    assert space.preprocess == start.preprocess


def trained(space: EmbeddingSpace, encoder: str, dim: int) -> EmbeddingSpace:
    return replace(space, encoder=encoder, weights="sha256:" + "0" * 64, dim=dim)


@pytest.mark.parametrize(
    ("start", "head", "encoder", "dim"),
    [
        ("mobilenet_v2+identity", "none", "mobilenet_v2+identity", 1280),
        ("mobilenet_v2+identity", "linear", "mobilenet_v2+linear", 9),
        ("mobilenet_v2+linear", "none", "mobilenet_v2+linear", 1280),
        ("cnn-w8", "none", "cnn-w8", 1280),
        ("cnn-w8", "mlp", "cnn-w8+mlp", 9),
        ("cnn-w8+linear", "none", "cnn-w8+linear", 1280),
        ("autoencoder-w8", "none", "autoencoder-w8", 1280),
    ],
)
def test_a_trained_encoder_goes_on_with_its_head(zoo_space: Zoo, start: str, head: Any, encoder: str, dim: int) -> None:
    found = trained(zoo_space("mobilenet_v2"), start, 1280)
    space = planned_space(TripletSpec("m", head=head, dim=9), found)
    assert (space.encoder, space.dim, space.preprocess) == (encoder, dim, found.preprocess)


@pytest.mark.parametrize("start", ["cnn-w8", "autoencoder-w8"])
def test_our_own_networks_go_on_at_their_size(zoo_space: Zoo, start: str) -> None:
    found = trained(zoo_space("mobilenet_v2", 96), start, 64)
    for asked, expected in ((None, 96), (48, 48)):
        spec = TripletSpec("m", image_size=asked)
        assert view_size(spec, planned_space(spec, found)) == expected


@pytest.mark.parametrize(
    ("spec", "start", "message"),
    [
        (
            TripletSpec("m", head="mlp"),
            "mobilenet_v2+linear",
            r"--head: mobilenet_v2\+linear has a head, linear, which",
        ),
        (TripletSpec("m", head="linear"), "autoencoder-w8", "--head: autoencoder-w8 ends on its bottleneck"),
        (
            TripletSpec("m", trainable_blocks=20),
            "mobilenet_v2",
            "--trainable-blocks: mobilenet_v2 has 19 blocks, found",
        ),
        (TripletSpec("m", image_size=20), "cnn-w8", "--image-size: expected at least 32 pixels, found 20"),
        (TripletSpec("m", image_size=32), "alexnet", "--image-size: alexnet cannot take inputs of 32 x 32"),
        (TripletSpec("m", image_size=160), "vit_b_16", "--image-size: vit_b_16 takes views of 224 only, found 160"),
        (TripletSpec("m"), None, "--encoder: triplet needs an encoder to start from"),
        (TripletSpec("m"), "color-histogram", "expected a neural network, found color-histogram"),
        (ClassifierSpec("m", pooling="native"), None, "--pooling: .*found native"),
        (ClassifierSpec("m", trainable_blocks=2), None, "--trainable-blocks: all of --encoder cnn is trained"),
        (ClassifierSpec("m", image_size=31), None, "--image-size: expected at least 32"),
        (AutoencoderSpec("m", image_size=31), None, "--image-size: expected at least 32"),
    ],
)
def test_what_does_not_go_together(zoo_space: Zoo, spec: TrainSpec, start: str | None, message: str) -> None:
    found = {None: None, "color-histogram": HISTOGRAM}.get(start, zoo_space("mobilenet_v2"))
    if found is not None and start != "color-histogram":
        model = start if start in ("alexnet", "vit_b_16") else "mobilenet_v2"
        found = trained(zoo_space(model), start, zoo_space(model).dim)
    with pytest.raises(InvalidSpec, match=message):
        planned_space(spec, found)

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from revsearch.errors import InvalidSpec
from revsearch.model.architecture import Architecture
from revsearch.model.embedder import empty_embedder
from revsearch.model.freezing import blocks, freeze, hold_frozen, n_trained_blocks
from revsearch.model.names import zoo_names
from revsearch.space import EmbeddingSpace
from revsearch.train_specs import AutoencoderSpec, TripletSpec

Zoo = Callable[..., EmbeddingSpace]
N_BLOCKS = {  # counted by hand in torchvision's sources
    "resnet18": 5, "resnet50": 5, "vgg16": 13, "vgg11_bn": 8, "alexnet": 5, "densenet121": 8, "mobilenet_v2": 19,
    "mobilenet_v3_small": 13, "efficientnet_b0": 9, "regnet_y_400mf": 5, "shufflenet_v2_x0_5": 5, "squeezenet1_1": 9,
    "mnasnet0_5": 10, "googlenet": 12, "inception_v3": 16, "convnext_tiny": 8, "vit_b_16": 13, "swin_t": 8,
    "maxvit_t": 5,
}  # fmt: skip


def learned(space: EmbeddingSpace) -> EmbeddingSpace:
    return replace(space, weights="sha256:" + "0" * 64)


def n_blocks(space: EmbeddingSpace) -> int:
    return len(blocks(empty_embedder(space).backbone, Architecture.parse(space.encoder)))


@pytest.mark.parametrize("model", N_BLOCKS)
def test_every_parameter_is_in_one_block(zoo_space: Zoo, model: str) -> None:
    backbone = empty_embedder(zoo_space(model)).backbone
    found = [id(parameter) for block in blocks(backbone, Architecture(model)) for parameter in block]
    assert found == [id(parameter) for parameter in backbone.parameters()]
    assert n_blocks(zoo_space(model)) == N_BLOCKS[model]


@pytest.mark.slow
@pytest.mark.parametrize("model", zoo_names())
def test_every_model_has_blocks_to_choose_from(zoo_space: Zoo, model: str) -> None:
    assert 5 <= n_blocks(zoo_space(model)) <= 60


def test_positions_stand_before_the_first_layer_of_a_transformer_and_its_norm_belongs_to_the_last(
    zoo_space: Zoo,
) -> None:
    backbone = empty_embedder(zoo_space("vit_b_16")).backbone
    first, *_, last = blocks(backbone, Architecture("vit_b_16"))
    assert {id(each) for each in first} == {
        id(each) for each in (backbone.class_token, backbone.encoder.pos_embedding, *backbone.conv_proj.parameters())
    }
    assert id(backbone.encoder.ln.weight) in map(id, last)


@pytest.mark.parametrize(
    ("asked", "weights", "expected"),
    [(None, "sha256:", 3), (None, "random-0", None), (0, "sha256:", 0), (5, "sha256:", 5), (2, "random-0", 2)],
)
def test_how_many_blocks_learn(zoo_space: Zoo, asked: int | None, weights: str, expected: int | None) -> None:
    start = replace(zoo_space("resnet18"), weights=weights)
    assert n_trained_blocks(TripletSpec("m", head="linear", trainable_blocks=asked), start) == expected


def test_from_scratch_all_learns() -> None:
    assert n_trained_blocks(AutoencoderSpec("m"), None) is None


def test_more_blocks_than_there_are(zoo_space: Zoo) -> None:
    with pytest.raises(InvalidSpec, match=r"--trainable-blocks: resnet18 has 5 blocks, found 6"):
        n_trained_blocks(TripletSpec("m", trainable_blocks=6), learned(zoo_space("resnet18")))


@pytest.mark.parametrize("n_trained", [0, 1, 3, 5, None])
def test_the_last_blocks_learn_and_the_head(zoo_space: Zoo, n_trained: int | None) -> None:
    space = replace(zoo_space("resnet18"), encoder="resnet18+linear", dim=4)
    network = empty_embedder(space)
    freeze(network, Architecture.parse(space.encoder), n_trained)
    stages = [network.backbone[:2], *network.backbone[4:]]
    learning = [{each.requires_grad for each in stage.parameters()} for stage in stages]
    n_frozen = 0 if n_trained is None else 5 - n_trained
    assert learning == [{False}] * n_frozen + [{True}] * (5 - n_frozen)
    assert network.head.weight.requires_grad


@pytest.mark.parametrize("norms", [True, False])
def test_what_is_frozen_evaluates_while_the_rest_trains(norms: bool) -> None:
    backbone = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5)),
        nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5)),
    )
    backbone[0].requires_grad_(False)
    hold_frozen(backbone.train(), norms=norms)
    assert [module.training for module in backbone[0].modules()] == [False] * 4
    assert [module.training for module in backbone[1]] == [True, not norms, True]
    backbone(torch.randn(8, 3, 5, 5))
    assert [bool(stage[1].running_mean.any()) for stage in backbone] == [False, not norms]  # zeros at first

import warnings

import pytest
import torch
from torch import nn

from revsearch.model.backbone import backbone
from revsearch.model.precision import MixedPrecision, in_precision, optimised
from revsearch.model.values import random


def images(n: int) -> torch.Tensor:
    return torch.randn(n, 3, 64, 64, generator=torch.Generator().manual_seed(n))


@pytest.mark.parametrize("architecture", ["mobilenet_v2", "resnet18", "shufflenet_v2_x0_5", "densenet121", "googlenet"])
@torch.inference_mode()
def test_the_faster_network_gives_the_same_for_batches_of_any_size(architecture: str) -> None:
    network = backbone(architecture, random(architecture, 64, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        faster = optimised(network, images(2))
    for n in (1, 2, 7, 3):
        expected = network(images(n))
        scale = expected.abs().max().item()
        torch.testing.assert_close(faster(images(n)) / scale, expected / scale, rtol=0, atol=2e-6)


@torch.inference_mode()
def test_the_faster_network_has_no_batch_norms() -> None:
    network = backbone("resnet18", random("resnet18", 64, 0))
    graph = str(optimised(network, images(2)).inlined_graph)
    assert "batch_norm" not in graph


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@torch.inference_mode()
def test_sixteen_bits_are_close_and_given_as_float32(precision: str) -> None:
    network = backbone("resnet18", random("resnet18", 64, 0))
    expected, found = network(images(2)), in_precision(network, precision)(images(2))
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected)
    assert torch.cosine_similarity(found.flatten(1), expected.flatten(1)).min() > 0.999


class Recorder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.dtype: torch.dtype | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.linear(x)
        self.dtype = x.dtype
        return x


@torch.inference_mode()
def test_the_last_stages_are_in_sixteen_bits_and_a_network_of_one_piece_wholly() -> None:
    last = Recorder()
    MixedPrecision(nn.Sequential(*(nn.Linear(4, 4) for _ in range(8)), last).eval(), torch.bfloat16)(torch.zeros(1, 4))
    assert last.dtype == torch.bfloat16
    alone = Recorder()
    assert MixedPrecision(alone.eval(), torch.bfloat16)(torch.zeros(1, 4)).dtype == torch.float32
    assert alone.dtype == torch.bfloat16


def test_fp32_is_the_network_itself() -> None:
    network = nn.Linear(2, 2)
    assert in_precision(network, "fp32") is network

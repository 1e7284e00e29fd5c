import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from revsearch.errors import CorruptArtifact
from revsearch.model.embedder import embedder
from revsearch.model.network import build_network
from revsearch.model.planned import planned_space, view_size
from revsearch.model.trainee import Trainee, start_trainee
from revsearch.space import EmbeddingSpace
from revsearch.train_specs import AutoencoderSpec, ClassifierSpec, TrainSpec, TripletSpec

Zoo = Callable[..., EmbeddingSpace]
SCRATCH = [
    AutoencoderSpec("m", width=4, dim=6, image_size=36),
    AutoencoderSpec("m", width=4, dim=6, image_size=32, output="linear"),
    ClassifierSpec("m", width=4, image_size=32),
    ClassifierSpec("m", width=4, image_size=32, head="mlp", dim=6),
]


def views(size: int, n: int = 3) -> Tensor:
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def start(spec: TrainSpec, first: EmbeddingSpace | None = None, weights: Path | None = None) -> Trainee:
    return start_trainee(spec, planned_space(spec, first), first, weights, "cpu")


def values(trainee: Trainee) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trainee.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("spec", SCRATCH, ids=lambda spec: spec.preset)
def test_from_scratch_embeds_and_rebuilds(spec: TrainSpec) -> None:
    space, trainee = planned_space(spec, None), start(spec)
    size = view_size(spec, space)
    output = trainee(views(size))
    assert output.embeddings.shape == (3, space.dim)
    assert output.embeddings.dtype == torch.float32
    if isinstance(spec, AutoencoderSpec):
        assert output.rebuilt.shape == (3, 3, size, size)
        assert output.rebuilt.dtype == torch.float32
    else:
        assert output.rebuilt is None
    assert all(parameter.requires_grad for parameter in trainee.parameters())


@pytest.mark.parametrize("spec", SCRATCH, ids=lambda spec: spec.preset)
def test_the_seed_decides_and_torchs_generator_is_left_alone(spec: TrainSpec) -> None:
    before = torch.random.get_rng_state()
    first, again, other = (values(start(replace(spec, seed=seed))) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert same(first, again)
    assert not same(first, other)


@pytest.mark.parametrize("head", ["none", "linear"])
@torch.inference_mode()
def test_begins_where_the_start_is(zoo_space: Zoo, head: Any) -> None:
    first = zoo_space("squeezenet1_1", 64)
    trainee = start(TripletSpec("m", head=head, dim=512), first).eval()
    pixels = views(64)
    expected = build_network(first, None, "fp32", "cpu", optimise=False)(pixels.permute(0, 2, 3, 1))
    torch.testing.assert_close(trainee(pixels).embeddings, expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_a_longer_head_keeps_the_geometry_of_the_start(zoo_space: Zoo) -> None:
    first, pixels = zoo_space("squeezenet1_1", 64), views(64)
    plain, headed = (start(TripletSpec("m", head=head, dim=600), first).eval() for head in ("none", "linear"))
    one, other = (trainee(pixels).embeddings for trainee in (plain, headed))
    assert other.shape == (3, 600)
    torch.testing.assert_close(other @ other.T, one @ one.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "spec", [*SCRATCH[:1], SCRATCH[3], TripletSpec("m", head="linear", dim=6)], ids=lambda spec: spec.preset
)
@torch.inference_mode()
def test_what_was_trained_embeds_the_same_and_can_go_on(spec: TrainSpec, zoo_space: Zoo, tmp_path: Path) -> None:
    first = zoo_space("squeezenet1_1", 64) if isinstance(spec, TripletSpec) else None
    trainee = start(spec, first).eval()
    for parameter in trainee.parameters():
        parameter += 0.01 * torch.randn(parameter.shape)  # as if it had learned
    path = tmp_path / "weights.safetensors"
    state = {name: value.contiguous() for name, value in trainee.embedder.state_dict().items()}
    safetensors.torch.save_file(state, path)
    space = replace(planned_space(spec, first), weights="sha256:" + "0" * 64)
    pixels = views(space.preprocess.size)
    expected = trainee(pixels).embeddings
    torch.testing.assert_close(embedder(space, path)(trainee.normalise.planes(pixels)), expected, rtol=1e-4, atol=1e-5)
    on = start(TripletSpec("m"), space, path).eval()
    torch.testing.assert_close(on(pixels).embeddings, expected, rtol=1e-4, atol=1e-5)
    assert same(on.embedder.state_dict(), trainee.embedder.state_dict())


def test_weights_of_another_start_are_refused(zoo_space: Zoo, tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "weights.pth")
    with pytest.raises(CorruptArtifact, match="expected a state dict of torchvision's squeezenet1_1"):
        start(TripletSpec("m"), zoo_space("squeezenet1_1", 64), tmp_path / "weights.pth")


@pytest.mark.parametrize("batch_norm", ["frozen", "trained"])
def test_a_step_moves_only_what_is_to_learn(zoo_space: Zoo, batch_norm: Any) -> None:
    spec = TripletSpec("m", head="linear", dim=6, trainable_blocks=2, batch_norm=batch_norm, image_size=64)
    trainee = start(spec, zoo_space("resnet18", 64))
    before = values(trainee)
    optimizer = torch.optim.SGD([each for each in trainee.parameters() if each.requires_grad], lr=0.1)
    trainee(views(64)).embeddings.square().sum().backward()
    optimizer.step()
    moved = {name for name, value in trainee.state_dict().items() if not torch.equal(value, before[name])}
    assert {name for name in moved if "running" not in name and "num_batches" not in name} == {
        f"embedder.{name}" for name, each in trainee.embedder.named_parameters() if each.requires_grad
    }
    statistics = {name.split(".")[2] for name in moved if "running_mean" in name}
    assert statistics == (set() if batch_norm == "frozen" else {"6", "7"})


def test_what_is_frozen_stays_so_in_copies_and_after_evaluation(zoo_space: Zoo) -> None:
    spec = TripletSpec("m", trainable_blocks=2, batch_norm="trained")
    trainee = copy.deepcopy(start(spec, zoo_space("resnet18", 64)))
    assert not any(module.training for module in trainee.eval().modules())
    trainee.train()
    backbone = trainee.embedder.backbone
    assert [stage.training for stage in backbone] == [False, False, True, True, False, False, True, True]
    assert all(module.training for module in backbone[7].modules())

from pathlib import Path

import pytest
import safetensors.torch
import torch

from revsearch.errors import CorruptArtifact
from revsearch.model.families import build
from revsearch.model.values import learned, random


def state_of(architecture: str, seed: int = 0) -> dict[str, torch.Tensor]:
    return random(architecture, 64, seed).state_dict()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("architecture", ["squeezenet1_1", "mnasnet0_5", "shufflenet_v2_x0_5"])
def test_loads_every_value(tmp_path: Path, architecture: str, suffix: str) -> None:
    state, path = state_of(architecture), tmp_path / f"weights{suffix}"
    (torch.save if suffix == ".pth" else safetensors.torch.save_file)(state, path)
    found = learned(architecture, 64, path).state_dict()
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], value) for key, value in state.items())


def test_half_precision_files_are_loaded_as_float32(tmp_path: Path) -> None:
    torch.save({key: value.half() for key, value in state_of("squeezenet1_1").items()}, tmp_path / "half.pth")
    assert {value.dtype for value in learned("squeezenet1_1", 64, tmp_path / "half.pth").parameters()} == {
        torch.float32
    }


def test_keys_of_torchvisions_older_files_are_understood(tmp_path: Path) -> None:
    state = state_of("densenet121")
    old = {key.replace("norm1", "norm.1").replace("conv2", "conv.2"): value for key, value in state.items()}
    assert old.keys() != state.keys()
    torch.save(old, tmp_path / "old.pth")
    found = learned("densenet121", 64, tmp_path / "old.pth").state_dict()
    assert all(torch.equal(found[key], value) for key, value in state.items())


def test_auxiliary_classifiers_may_be_missing(tmp_path: Path) -> None:
    state = {key: value for key, value in state_of("googlenet").items() if not key.startswith("aux")}
    torch.save(state, tmp_path / "googlenet.pth")
    learned("googlenet", 64, tmp_path / "googlenet.pth")


def changed(change: str) -> dict[str, torch.Tensor]:
    state = state_of("squeezenet1_1")
    if change == "missing":
        return dict(list(state.items())[:-8])
    if change == "extra":
        return state | {f"extra.{n}": torch.zeros(1) for n in range(8)}
    if change == "shape":
        return {key: value[..., :1] if value.dim() == 4 else value[:1] for key, value in state.items()}
    return state_of("shufflenet_v2_x0_5")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"8 keys do not fit, first:\n  missing features.12.squeeze.weight"),
        ("extra", r"8 keys do not fit, first:\n  unexpected extra.0\n"),
        ("shape", r"first:\n  size mismatch for features.0.weight"),
        ("another model", r"first:\n  missing features.0.weight"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_their_first_keys(tmp_path: Path, change: str, message: str) -> None:
    torch.save(changed(change), tmp_path / "weights.pth")
    with pytest.raises(CorruptArtifact, match=message) as caught:
        learned("squeezenet1_1", 64, tmp_path / "weights.pth")
    assert caught.value.reason == "weights"
    assert len(str(caught.value).splitlines()) == 1 + 5 + 1


def test_random_values_come_from_the_seed_and_leave_torchs_generator_alone() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (state_of("squeezenet1_1", seed)["features.0.weight"] for seed in (3, 3, 4))
    torch.testing.assert_close(torch.random.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_whole_models_are_in_evaluation_mode(tmp_path: Path) -> None:
    torch.save(build("squeezenet1_1", 64).state_dict(), tmp_path / "weights.pth")
    for model in (random("squeezenet1_1", 64, 0), learned("squeezenet1_1", 64, tmp_path / "weights.pth")):
        assert not any(module.training for module in model.modules())

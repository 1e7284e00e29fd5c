"""A whole model with its values: learned ones from a file, or random ones from a seed."""

from collections import OrderedDict
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from revsearch.errors import CorruptArtifact
from revsearch.model.families import build, build_empty, family_of
from revsearch.model.seeding import seeded
from revsearch.model.weights import load_state

Net = TypeVar("Net", bound=nn.Module)

_SHOWN = 5
# Auxiliary classifiers: part of GoogLeNet's and Inception's files, but torchvision drops them once they are loaded.
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


def learned(architecture: str, size: int, path: Path) -> nn.Module:
    """Build a model of torchvision's with the values of a weights file, float32.

    Raises:
        CorruptArtifact: reason `weights`, where the file is no state dict or not one of this architecture.
    """
    state = load_state(path)
    _rename_old_keys(state, architecture)
    return filled(build_empty(architecture, size), state, path, f"torchvision's {architecture}")


def filled(empty: Net, state: dict[str, Tensor], path: Path, of: str) -> Net:
    """Return a network that was built on the meta device with the values of a state dict, float32.

    Args:
        path: where the state dict is from, and `of` what it is to be one, for the error.

    Raises:
        CorruptArtifact: reason `weights`, where it is not one of this network.
    """
    state = _with_versions(state, empty)
    network = empty.to_empty(device="cpu")
    try:
        result = network.load_state_dict(state, strict=False)
    except RuntimeError as error:  # how torch reports tensors of other shapes, one a line
        raise _not_fitting(path, of, str(error).splitlines()[1:]) from error
    missing = [f"missing {key}" for key in result.missing_keys if not key.startswith(_AUXILIARY)]
    if problems := missing + [f"unexpected {key}" for key in result.unexpected_keys]:
        raise _not_fitting(path, of, problems)
    return network


def random(architecture: str, size: int, seed: int) -> nn.Module:
    """Build a model of torchvision's with random values, the same for the same seed."""
    with seeded(seed):
        return build(architecture, size)


def _with_versions(state: dict[str, Tensor], model: nn.Module) -> OrderedDict[str, Tensor]:
    """Return the state with the layers' versions that torch.save keeps beside the keys, and safetensors does not."""
    versioned = OrderedDict(state)
    versioned._metadata = getattr(state, "_metadata", model.state_dict()._metadata)  # type: ignore[attr-defined]  # torch's own attribute
    return versioned


def _rename_old_keys(state: dict[str, Tensor], architecture: str) -> None:
    pattern = family_of(architecture).old_key
    matches = [pattern.fullmatch(key) for key in state] if pattern else []
    for match in matches:
        if match:
            state["".join(match.groups())] = state.pop(match[0])


def _not_fitting(path: Path, of: str, problems: list[str]) -> CorruptArtifact:
    shown = "".join(f"\n  {' '.join(problem.split())}" for problem in problems[:_SHOWN])
    return CorruptArtifact(
        f"{path}: expected a state dict of {of}; {len(problems)} keys do not fit, first:"
        f"{shown}\nName the architecture that the file was saved from",
        reason="weights",
    )

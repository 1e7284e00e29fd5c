"""A whole model with its values: learned ones from a file, or random ones from a seed."""

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn

from revsearch.errors import CorruptArtifact
from revsearch.model.families import build, build_empty, family_of
from revsearch.model.weights import load_state

_SHOWN = 5
# Auxiliary classifiers: part of GoogLeNet's and Inception's files, but torchvision drops them once they are loaded.
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


def learned(architecture: str, size: int, path: Path) -> nn.Module:
    """Build a model with the values of a weights file, float32.

    Raises:
        CorruptArtifact: reason `weights`, where the file is no state dict or not one of this architecture.
    """
    state = _with_versions(load_state(path), build_empty(architecture, size))
    _rename_old_keys(state, architecture)
    model = build_empty(architecture, size).to_empty(device="cpu")
    try:
        result = model.load_state_dict(state, strict=False)
    except RuntimeError as error:  # how torch reports tensors of other shapes, one a line
        raise _not_fitting(path, architecture, str(error).splitlines()[1:]) from error
    missing = [f"missing {key}" for key in result.missing_keys if not key.startswith(_AUXILIARY)]
    if problems := missing + [f"unexpected {key}" for key in result.unexpected_keys]:
        raise _not_fitting(path, architecture, problems)
    return model


def random(architecture: str, size: int, seed: int) -> nn.Module:
    """Build a model with random values, the same for the same seed; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build(architecture, size)


def _with_versions(state: dict[str, Tensor], model: nn.Module) -> OrderedDict[str, Tensor]:
    """Return the state with the layers' versions that torch.save keeps beside the keys, and safetensors does not."""
    versioned = OrderedDict(state)
    versioned._metadata = getattr(state, "_metadata", model.state_dict()._metadata)  # type: ignore[attr-defined]  # torch's own attribute
    return versioned


def _rename_old_keys(state: OrderedDict[str, Tensor], architecture: str) -> None:
    pattern = family_of(architecture).old_key
    matches = [pattern.fullmatch(key) for key in state] if pattern else []
    for match in matches:
        if match:
            state["".join(match.groups())] = state.pop(match[0])


def _not_fitting(path: Path, architecture: str, problems: list[str]) -> CorruptArtifact:
    shown = "".join(f"\n  {' '.join(problem.split())}" for problem in problems[:_SHOWN])
    return CorruptArtifact(
        f"{path}: expected a state dict of torchvision's {architecture}; {len(problems)} keys do not fit, first:"
        f"{shown}\nName the architecture that the file was saved from",
        reason="weights",
    )

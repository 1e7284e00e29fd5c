"""Checkpoints: tensors and a few plain values in one safetensors file. No pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from revsearch.errors import CorruptArtifact

_VALUES = "values"


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write tensors, from whichever device, and plain values to a file."""
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    safetensors.torch.save_file(ready, path, metadata={_VALUES: json.dumps(values)})


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what `save_checkpoint` wrote.

    Raises:
        CorruptArtifact: reason `checkpoint`, where the file is none.
    """
    try:
        with safe_open(path, framework="pt") as file:
            values = json.loads((file.metadata() or {})[_VALUES])
            return {name: file.get_tensor(name) for name in file.keys()}, values  # noqa: SIM118  # no mapping: a method
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise CorruptArtifact(
            f"{path}: expected a checkpoint of a training run: {error}", reason="checkpoint"
        ) from error

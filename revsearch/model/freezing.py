"""Which blocks of a backbone learn, and which keep what they know.

A block is a child of the backbone with parameters: a stage of a ResNet, a layer of a ViT. A norm that is a child of its
own belongs to the block before it.
"""

import re

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from revsearch.errors import InvalidSpec
from revsearch.model.architecture import Architecture
from revsearch.model.embedder import Embedder, empty_embedder
from revsearch.space import EmbeddingSpace
from revsearch.train_specs import FineTuneSpec, TrainSpec

_NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)


def blocks(backbone: nn.Module, architecture: Architecture) -> list[list[nn.Parameter]]:
    """Return the parameters of each block, first to last; each parameter is in one of them.

    What stands before the first block of a transformer (patches, class token, positions) is a block too, and what
    stands behind its last belongs to that.
    """
    path = architecture.family.blocks
    name = re.compile(rf"{re.escape(path)}\.([^.]+)\..*" if path else r"([^.]+)\..*")
    found: list[list[nn.Parameter]] = []
    current: str | None = None
    for key, parameter in backbone.named_parameters():
        match = name.fullmatch(key)
        block = match[1] if match else current
        if not found or (block != current and not _is_norm(backbone, path, block)):
            found.append([])
        current = block
        found[-1].append(parameter)
    return found


def n_trained_blocks(spec: TrainSpec, start: EmbeddingSpace | None) -> int | None:
    """Return how many blocks of the backbone learn, from the last; None where all do, for nothing was learned before.

    Computes no values.

    Raises:
        InvalidSpec: where more are asked for than there are.
    """
    asked = spec.trainable_blocks if isinstance(spec, FineTuneSpec) else None
    if start is None or (asked is None and start.weights.startswith("random-")):
        return None
    n_blocks = len(blocks(empty_embedder(start).backbone, Architecture.parse(start.encoder)))
    if asked is None:
        return -(-n_blocks // 2)
    if asked > n_blocks:
        raise InvalidSpec(f"--trainable-blocks: {start.encoder} has {n_blocks} blocks, found {asked}")
    return asked


def freeze(embedder: Embedder, architecture: Architecture, n_trained: int | None) -> None:
    """Let the last `n_trained` blocks of the backbone learn, and the head; None: all of it."""
    parts = blocks(embedder.backbone, architecture)
    n_frozen = 0 if n_trained is None else len(parts) - n_trained
    for number, block in enumerate(parts):
        for parameter in block:
            parameter.requires_grad_(number >= n_frozen)


def hold_frozen(backbone: nn.Module, *, norms: bool) -> None:
    """Put what is frozen of a training backbone back into evaluation mode: neither dropout nor moving statistics.

    Args:
        norms: batch norms keep their statistics also where their weights learn.
    """
    for module in backbone.modules():
        parameters = list(module.parameters())
        if (parameters and not any(each.requires_grad for each in parameters)) or (
            norms and isinstance(module, _NormBase)
        ):
            module.eval()


def _is_norm(backbone: nn.Module, path: str, block: str | None) -> bool:
    return block is not None and isinstance(backbone.get_submodule(path).get_submodule(block), _NORMS)

"""A model of the zoo without its classifier: what it knows of a picture, before it names a class."""

from enum import StrEnum

import torch
from torch import nn

from revsearch.errors import InvalidSpec
from revsearch.model.families import build_empty, family_of

# Children from the global pool on, and the auxiliary classifiers that only training uses.
_TAIL = frozenset({"avgpool", "dropout", "classifier", "fc", "aux1", "aux2", "AuxLogits"})


class FeatureKind(StrEnum):
    """What a backbone gives: a feature map `[b, c, h, w]` to be pooled, or its own vector `[b, c]`."""

    MAP = "map"
    NATIVE = "native"


def backbone(architecture: str, model: nn.Module) -> nn.Module:
    """Cut the classifier off a whole model: `[b, 3, h, w]` to `[b, c, h', w']` or `[b, c]`.

    A model with a feature map becomes the sequence of its stages; one without keeps its own `forward`.
    """
    family = family_of(architecture)
    if family.last is not None:
        model.set_submodule(family.last, nn.Identity())
        return model
    stages = [child for name, child in model.named_children() if name not in _TAIL]
    if len(stages) == 1 and isinstance(stages[0], nn.Sequential):
        stages = list(stages[0])
    around = [[kind()] if kind else [] for kind in (family.before, family.after)]
    return nn.Sequential(*around[0], *stages, *around[1]).eval()


def probe(architecture: str, size: int) -> tuple[FeatureKind, int]:
    """Return what the backbone of a model gives for inputs of `size`, and how many channels; computes no values.

    Raises:
        InvalidSpec: where the model cannot take inputs of this size.
    """
    try:
        stages = backbone(architecture, build_empty(architecture, size)).to("meta")
        shape = stages(torch.empty(1, 3, size, size, device="meta")).shape
    except (RuntimeError, ValueError, AssertionError) as error:  # what models say of sizes they were not made for
        raise InvalidSpec(f"--image-size: {architecture} cannot take inputs of {size} x {size}: {error}") from error
    return FeatureKind.MAP if len(shape) == 4 else FeatureKind.NATIVE, shape[1]

"""How the families of torchvision's classification models differ, as a table.

Most need no entry: the children of the model, up to its global pool, are run one after the other.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from revsearch.model.zoo import builder


class InceptionScale(nn.Module):
    """From ImageNet's mean and deviation to -1..1, which Inception's and GoogLeNet's weights were trained on."""

    scale: Tensor
    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1) / 0.5)
        self.register_buffer("shift", (torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1) - 0.5) / 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Rescale `[b, 3, h, w]`, normalised with ImageNet's mean and standard deviation."""
        return x * self.scale + self.shift


@dataclass(frozen=True, slots=True)
class Family:
    """What sets a family of models apart.

    Attributes:
        last: path of the layer that gives class scores, of a model without a feature map: what enters it is the vector.
        size_option: the builder's argument for the input's side, of a model that takes one size only.
        options: further arguments of the builder.
        before: module to run before the first child.
        after: module to run after the last child.
        old_key: keys of torchvision's own, older files; the groups joined are the key of today.
        blocks: path in the backbone of the module whose children are the blocks that may learn or not; empty: the
            backbone itself.
    """

    last: str | None = None
    size_option: Callable[[int], Mapping[str, Any]] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    before: type[nn.Module] | None = None
    after: type[nn.Module] | None = None
    old_key: re.Pattern[str] | None = None
    blocks: str = ""

    @property
    def fixed_size(self) -> bool:
        """Whether the model takes inputs of the one size it was made for."""
        return self.size_option is not None


_INCEPTION = Family(before=InceptionScale, options={"init_weights": False})

# By the module of torchvision that builds the model.
_FAMILIES = {
    "densenet": Family(
        after=nn.ReLU,  # DenseNet ends on a batch norm; its activation stands in torchvision's forward()
        old_key=re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\.\w+)"),
    ),
    "googlenet": _INCEPTION,
    "inception": _INCEPTION,
    "maxvit": Family(last="classifier.5", size_option=lambda size: {"input_size": (size, size)}, blocks="blocks"),
    "regnet": Family(blocks="1"),  # the second of two children, after the stem
    "swin_transformer": Family(last="head", blocks="features"),
    "vision_transformer": Family(
        last="heads.head", size_option=lambda size: {"image_size": size}, blocks="encoder.layers"
    ),
}
PLAIN = Family()


def family_of(architecture: str) -> Family:
    """Return the family of one of torchvision's models."""
    return _FAMILIES.get(builder(architecture).__module__.rpartition(".")[2], PLAIN)


def build(architecture: str, size: int) -> nn.Module:
    """Build a whole model, classifier included, for inputs `[b, 3, size, size]`, on the current default device.

    Raises:
        ValueError: where the model cannot take this size.
    """
    family = family_of(architecture)
    sized = family.size_option(size) if family.size_option else {}
    return builder(architecture)(weights=None, **family.options, **sized).eval()


def build_empty(architecture: str, size: int) -> nn.Module:
    """Build a whole model as `build` does, but on the meta device: shapes without values, in no time."""
    with without_values():
        return build(architecture, size).to("meta")


@contextmanager
def without_values() -> Iterator[None]:
    """Let everything built inside lie on the meta device; what lies elsewhere all the same, `to("meta")` brings."""
    with torch.device("meta"), _RealNumbers():
        yield


class _RealNumbers(TorchFunctionMode):
    """Keeps numbers that are written out on the CPU: RegNet computes its widths with tensors, and reads them."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        return func(*args, **({"device": "cpu"} | given if func in (torch.arange, torch.tensor) else given))

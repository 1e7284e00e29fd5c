"""Views of a picture to train on: cropped, turned, coloured at random, the same for the same seed."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.transforms import v2

from revsearch.model.seeding import seeded
from revsearch.train_specs import TrainSpec

_V2: Any = v2  # its names are imported there, not exported: a type checker takes them for private

_FILL = 128.0  # what shows beside a turned or shifted picture: grey, near the mean of any normalisation


class Augmentation:
    """Makes a view of a picture; a step is there only where the spec asks for it.

    In uint8 throughout, and cropped first: what follows works on as few pixels as there are.
    """

    def __init__(self, spec: TrainSpec, size: int) -> None:
        """Give views of `size` x `size` pixels."""
        self.source_side = math.ceil(size / math.sqrt(spec.crop))
        self._steps = nn.Sequential(*_steps(spec, size))

    def __call__(self, picture: NDArray[np.uint8], seed: int) -> Tensor:
        """Return the view uint8 `[3, size, size]` of a picture `[h, w, 3]` that `seed` gives.

        torch's own random numbers stay as they were.
        """
        with seeded(seed):
            view: Tensor = self._steps(as_tensor(picture))
        return view


def as_tensor(picture: NDArray[np.uint8]) -> Tensor:
    """Return a picture `[h, w, 3]` as uint8 `[3, h, w]`, not copied: channels lie beside each other, which is fast."""
    return torch.from_numpy(picture).permute(2, 0, 1)


def unchanged(picture: NDArray[np.uint8], seed: int) -> Tensor:
    """Return a picture `[h, w, 3]` as the view `[3, h, w]` it is already: what validation looks at."""
    del seed
    return as_tensor(picture)


def _steps(spec: TrainSpec, size: int) -> Iterator[nn.Module]:
    yield _V2.RandomResizedCrop(size, scale=(spec.crop, 1.0))
    if spec.flip:
        yield _V2.RandomHorizontalFlip(spec.flip)
    if spec.rotate or spec.zoom or spec.shift:
        yield _V2.RandomAffine(
            spec.rotate,
            translate=(spec.shift, spec.shift),
            scale=(1 - spec.zoom, 1 + spec.zoom),
            interpolation=_V2.InterpolationMode.BILINEAR,
            fill=_FILL,
        )
    if spec.jitter or spec.hue:
        yield _V2.ColorJitter(spec.jitter, spec.jitter, spec.jitter, spec.hue)
    if spec.grayscale:
        yield _V2.RandomGrayscale(spec.grayscale)

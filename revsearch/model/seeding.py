"""Random numbers of torch's from a seed, for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw what torch draws inside on the CPU from `seed`; its own random numbers go on afterwards as they were.

    Not by `torch.manual_seed`, which also seeds GPUs, at a hundred times the cost.
    """
    generator = torch.default_generator
    before = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(before)

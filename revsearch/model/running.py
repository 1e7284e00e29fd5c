"""How torch runs in a process that trains: its threads, and the same result for the same seed."""

import torch

from revsearch.model.precision import compute_fp32_in_full


def prepare(threads: int) -> None:
    """Set this process up to train with `threads` CPU threads; what a GPU computes comes out the same twice."""
    torch.set_num_threads(threads)
    compute_fp32_in_full()
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True

"""How torch runs in a process that trains: its threads, and its random numbers."""

import torch

from revsearch.model.precision import compute_fp32_in_full


def prepare(threads: int, *, seed: int, rank: int) -> None:
    """Set this process up to train with `threads` CPU threads; what torch draws (dropout) is its own on each worker.

    On a CPU the same comes out twice. On a GPU cuDNN is asked for it; a few other kernels add up in any order.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed + rank)
    compute_fp32_in_full()
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True

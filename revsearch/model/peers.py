"""The workers of one training run, seen from one of them; alone it is a world of one.

Each worker computes the loss of the whole global batch from all embeddings, and learns from its own views. So the
gradient of several workers is that of one, and negatives come from all of them. Only batch norms that learn their
statistics see each worker's own views alone.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

Array = TypeVar("Array", bound=NDArray[Any])


@dataclass(frozen=True, slots=True)
class Peers:
    """Where this worker stands among the others; Ray Train has set up torch's process group."""

    rank: int = 0
    world: int = 1

    def replicate(self, network: nn.Module, device: str) -> nn.Module:
        """Return a network whose gradients are averaged over the workers at each step."""
        if self.world == 1:
            return network
        ids = [torch.device(device)] if device.startswith("cuda") else None
        return DistributedDataParallel(network, device_ids=ids, gradient_as_bucket_view=True)

    def align_buffers(self, network: nn.Module) -> None:
        """Give every worker the leader's buffers: norms that learn statistics do so on each worker's own views."""
        if self.world > 1:
            for buffer in network.buffers():
                distributed.broadcast(buffer, src=0)

    def from_leader(self, value: Any) -> Any:
        """Return the leader's value on every worker: what all must agree on is decided by one."""
        if self.world == 1:
            return value
        told = [value]
        distributed.broadcast_object_list(told, src=0)
        return told[0]

    def gather(self, own: Tensor) -> Tensor:
        """Return the rows of all workers, in the order of ranks: `[b, …]` to `[b * world, …]`.

        The gradient goes to this worker's rows, `world` times: `replicate` divides by it again.
        """
        if self.world == 1:
            return own
        gathered: Tensor = _Gather.apply(own, self.rank, self.world)
        return gathered

    def gather_arrays(self, own: Array) -> list[Array]:
        """Return the arrays of all workers, in the order of ranks; they may differ in length."""
        if self.world == 1:
            return [own]
        found: list[Any] = [None] * self.world
        distributed.all_gather_object(found, own)
        return found

    def means(self, values: list[float]) -> list[float]:
        """Return the mean of each of some numbers over the workers."""
        if self.world == 1:
            return values
        return [float(mean) for mean in np.mean(self.gather_arrays(np.array(values)), axis=0)]


class _Gather(torch.autograd.Function):
    """`all_gather` whose gradient comes back without a further exchange: every worker has the whole loss."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, rank: int, world: int) -> Tensor:
        ctx.slice, ctx.world = slice(rank * len(own), (rank + 1) * len(own)), world
        pieces = [torch.empty_like(own) for _ in range(world)]
        distributed.all_gather(pieces, own.contiguous())
        return torch.cat(pieces)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0][ctx.slice] * ctx.world, None, None

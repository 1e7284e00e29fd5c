"""Whether training learns anything: what an epoch's steps tell, and when to stop."""

from collections.abc import Iterable
from statistics import fmean

import torch
from torch import Tensor
from torch.nn import functional

from revsearch.errors import TrainingCollapsed
from revsearch.model.objective import Measured
from revsearch.training import Health

COLLAPSED_SPREAD = 0.01
"""Mean distance below which embeddings have become one, unless they are on their way apart.

On photographs, pretrained networks have 0.5 and more. Those of random weights have 0.06 and more, but for the deepest
ResNets (152 layers: 0.007): hence the exception.
"""

_ONE = 0.001  # below this it is rounding that lies between embeddings, and no way leads apart
_LAST_STEPS = 10  # of an epoch, whose spread counts: where it ended, not where it came from
_FROZEN_STEPS = 5  # fewer equal losses than these are no evidence
_FROZEN = 1e-6  # relative; losses of different batches differ by more, and float32 can tell


class HealthMeter:
    """The steps of one epoch; it keeps numbers alone, so that no step's gradients stay in memory."""

    def __init__(self) -> None:
        self._losses: list[float] = []
        self._spreads: list[float] = []
        self._n_triplets: list[int | None] = []
        self._active_shares: list[float | None] = []
        self._at_margin: list[bool | None] = []
        self._pulled = False  # whether any triplet had a loss

    def add(self, measured: Measured, embeddings: Tensor) -> None:
        """Take in a step: what was measured, and the embeddings `[B, dim]` it was measured on."""
        self._losses.append(measured.loss.item())
        self._spreads.append(spread(embeddings))
        self._n_triplets.append(measured.n_distinct_triplets)
        self._active_shares.append(measured.active_share)
        self._at_margin.append(measured.at_margin)
        self._pulled |= measured.n_distinct_triplets is not None and measured.parts["triplet"].item() > 0

    def summary(self) -> Health:
        """Return the epoch's figures, each the mean over its steps.

        Raises:
            statistics.StatisticsError: where there was no step.
        """
        return Health(
            spread=fmean(self._spreads),
            distinct_triplets=_mean(self._n_triplets),
            active_share=_mean(self._active_shares),
            at_margin=_mean(self._at_margin),
        )

    def check(self, epoch: int) -> None:
        """Stop a run that learns nothing.

        Args:
            epoch: which one the steps belong to, from 1. Triplets with a loss are asked for in the first alone: later
                on, all may be as they should.

        Raises:
            TrainingCollapsed: `collapsed` where embeddings became one, `frozen_loss` where no step moved the loss,
                `no_active_triplets` where there was nothing to learn from in the first epoch.
            statistics.StatisticsError: where there was no step.
        """
        if epoch == 1:
            self._require_active_triplets()
        self._require_spread(epoch)
        self._require_moving_loss(epoch)

    def _require_active_triplets(self) -> None:
        n_triplets = _mean(self._n_triplets)
        if n_triplets is None or self._pulled:
            return
        raise TrainingCollapsed(
            f"epoch 1: expected triplets to learn from, found none with a loss above zero in {len(self._losses)} steps "
            f"of {n_triplets:.1f} triplets in the mean; raise --margin or leave it out for a soft one, take --miner "
            "hard, or put more classes into a batch",
            reason="no_active_triplets",
        )

    def _require_spread(self, epoch: int) -> None:
        n_last = max(1, min(_LAST_STEPS, len(self._spreads) // 2))
        first, last = fmean(self._spreads[:n_last]), fmean(self._spreads[-n_last:])
        if last >= COLLAPSED_SPREAD or last > max(first, _ONE):
            return
        raise TrainingCollapsed(
            f"epoch {epoch}: expected embeddings of different images to lie apart, found a mean distance of {last:.2g} "
            f"at unit length in its last {n_last} steps, below {COLLAPSED_SPREAD}: they have become one; lower --lr, "
            "raise --warmup, or where there are triplets take --miner semihard or all (hard ones collapse a network "
            "most easily) or another --margin",
            reason="collapsed",
        )

    def _require_moving_loss(self, epoch: int) -> None:
        low, high = min(self._losses, default=0.0), max(self._losses, default=0.0)
        if len(self._losses) < _FROZEN_STEPS or high == 0 or high - low > _FROZEN * high:
            return
        raise TrainingCollapsed(
            f"epoch {epoch}: expected the loss to move, found {high:.6g} in all of its {len(self._losses)} steps; "
            "lower --lr where it is high (activations have died), raise it where it is next to nothing",
            reason="frozen_loss",
        )


@torch.no_grad()
def spread(embeddings: Tensor) -> float:
    """Return the mean Euclidean distance between different rows of `[B, dim]`, brought to unit length: 0 to 2.

    It is 0 of a single row.
    """
    unit, n_rows = functional.normalize(embeddings.float()), len(embeddings)
    squared = (2 - 2 * unit @ unit.T).clamp(min=0).fill_diagonal_(0)
    return squared.sqrt().sum().item() / max(1, n_rows * (n_rows - 1))


def _mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of what is there, None where nothing is."""
    there = [float(value) for value in values if value is not None]
    return fmean(there) if there else None

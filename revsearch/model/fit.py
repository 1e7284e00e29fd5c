"""The one training loop. What happens after a step or an epoch, it is told by callbacks."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from revsearch.errors import TrainingCollapsed, TrainingDiverged
from revsearch.model.health import HealthMeter
from revsearch.model.learner import Learner, Step
from revsearch.model.loader import Batch
from revsearch.training import EpochRecord

_NO_GRADIENT = 1e-10  # float32 sums of dead activations

OnStep = Callable[[int], None]  # views of all workers in it
OnEpoch = Callable[[EpochRecord, list[float]], bool]  # the epoch and its steps' losses -> whether to go on


def fit(
    learner: Learner,
    epochs: Iterable[int],
    batches: Callable[[int], Iterable[Batch]],
    *,
    on_step: OnStep,
    on_epoch: OnEpoch,
) -> None:
    """Train epoch after epoch, until they are done or `on_epoch` says that it is enough.

    Args:
        learner: what learns.
        epochs: numbers of the epochs to do, from 1 at the start of a run.
        batches: gives this worker's batches of an epoch; equally many on every worker.
        on_step: called after each step.
        on_epoch: called after each epoch that learned something: what it keeps is worth going on from.

    Raises:
        TrainingCollapsed, TrainingDiverged: where nothing is learned.
    """
    for epoch in epochs:
        totals = _Totals(learner)
        for batch in batches(epoch):
            totals.add(learner.learn(batch), batch)
            on_step(totals.n_last)
        record = totals.record(epoch)
        totals.require_learning(epoch)
        if not on_epoch(record, totals.losses):
            return


@dataclass
class _Totals:
    """What an epoch adds up to."""

    learner: Learner
    meter: HealthMeter = field(default_factory=HealthMeter)
    losses: list[float] = field(default_factory=list)
    parts: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    norms: list[float] = field(default_factory=list)  # finite ones: a step that overflows in fp16 is skipped
    lr: float = 0.0
    n_last: int = 0
    n_images: int = 0
    n_substituted: int = 0
    began: float = field(default_factory=time.perf_counter)

    def add(self, step: Step, batch: Batch) -> None:
        """Count one step."""
        self.losses.append(step.measured.loss.item())
        for name, value in step.measured.parts.items():
            self.parts[name] += value.item()
        self.lr, self.n_last = step.lr, len(step.embeddings)
        if math.isfinite(step.gradient_norm):
            self.norms.append(step.gradient_norm)
        self.n_images += len(step.embeddings)
        self.n_substituted += batch.n_substituted
        self.meter.add(step.measured, step.embeddings)

    def require_learning(self, epoch: int) -> None:
        """Stop a run whose weights do not move, or to no end."""
        if self.losses and not self.norms:
            raise TrainingDiverged(
                f"epoch {epoch}: the gradients of all {len(self.losses)} steps overflowed; "
                "train in --precision bf16 or fp32"
            )
        if self.norms and max(self.norms) < _NO_GRADIENT:
            raise TrainingCollapsed(
                f"epoch {epoch}: expected a gradient, found a norm of {max(self.norms):.2g} at most in its "
                f"{len(self.norms)} steps: nothing learns; lower --lr where activations have died, or let more "
                "--trainable-blocks learn",
                reason="frozen_loss",
            )
        self.meter.check(epoch)

    def record(self, epoch: int) -> EpochRecord:
        """Return the epoch's record; losses, of which reconstruction is each worker's own, are made those of all."""
        peers, n_steps = self.learner.peers, max(1, len(self.losses))
        self.losses = peers.means(self.losses)
        parts = peers.means([value / n_steps for value in self.parts.values()])
        return EpochRecord(
            epoch=epoch,
            step=self.learner.step,
            loss=sum(self.losses) / n_steps,
            parts=dict(zip(self.parts, parts, strict=True)),
            lr=self.lr,
            gradient_norm=sum(self.norms) / max(1, len(self.norms)),
            seconds=time.perf_counter() - self.began,
            n_images=self.n_images,
            health=self.meter.summary(),
            n_substituted=round(peers.means([float(self.n_substituted)])[0] * peers.world),
        )

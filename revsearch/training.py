"""What a training run tells of itself: one record an epoch, and where it stands."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Validation:
    """A candidate held against the validation rows.

    Attributes:
        epoch: after how many epochs; 0 is the start.
        share: of the way from the start's weights to the trained ones.
        metrics: `hit_rate_at_1` and `ap_plain`, all against all with self out, where there are labels; `mse` of
            reconstructions, pixels in 0..1.
        better: the figure candidates are compared by, higher is better.
    """

    epoch: int
    share: float
    metrics: Mapping[str, float]
    better: float


@dataclass(frozen=True, slots=True)
class Health:
    """What tells training from standing still; a figure that a preset does not have is None.

    Attributes:
        spread: mean distance between embeddings of different images of a batch, at unit length; 0 is a collapse.
        distinct_triplets: different (anchor, positive, negative) that the miner gave, a step in the mean.
        active_share: share of those triplets (pairs) whose loss is not zero.
        at_margin: share of steps whose loss was the margin itself, what a collapsed network gives.
    """

    spread: float
    distinct_triplets: float | None = None
    active_share: float | None = None
    at_margin: float | None = None


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch.

    Attributes:
        epoch: from 1.
        step: steps done since the start.
        loss: mean of the epoch's steps; `parts` are its terms before their weights.
        lr: at the epoch's last step.
        gradient_norm: mean before clipping.
        seconds: of training alone, validation apart.
        n_images: views trained on, of all workers.
        n_substituted: pictures that could not be read, for which another of their class stood in.
        validations: of the candidates tried after it.
    """

    epoch: int
    step: int
    loss: float
    parts: Mapping[str, float]
    lr: float
    gradient_norm: float
    seconds: float
    n_images: int
    health: Health
    n_substituted: int = 0
    validations: tuple[Validation, ...] = ()


@dataclass(frozen=True)
class History:
    """All there was: the start as a candidate, then epoch after epoch.

    Attributes:
        start: the network before its first step, as a candidate.
        losses: loss of every step so far.
    """

    start: Validation
    epochs: tuple[EpochRecord, ...] = ()
    losses: tuple[float, ...] = ()

    @property
    def candidates(self) -> list[Validation]:
        """All candidates in the order they were tried, the start first."""
        return [self.start, *(validation for record in self.epochs for validation in record.validations)]

    @property
    def best(self) -> Validation:
        """The best candidate; of equal ones the earliest, so that training must earn its place."""
        return max(self.candidates, key=lambda validation: validation.better)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON keeps them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` gave.

        Raises:
            TypeError, KeyError: where a field is missing or unknown.
        """
        return cls(
            start=Validation(**values["start"]),
            epochs=tuple(_record(each) for each in values["epochs"]),
            losses=tuple(values["losses"]),
        )


def _record(values: Mapping[str, Any]) -> EpochRecord:
    validations = tuple(Validation(**each) for each in values["validations"])
    return EpochRecord(**{**values, "health": Health(**values["health"]), "validations": validations})

"""Whether training was worth it: what is handed out beside what it began with."""

from dataclasses import dataclass

from revsearch.training import History

_LOWER_IS_BETTER = frozenset({"mse"})


@dataclass(frozen=True, slots=True)
class Gain:
    """One validation figure of the start and of the best candidate."""

    name: str
    start: float
    best: float

    @property
    def change(self) -> float:
        """How much the best candidate's figure lies above the start's."""
        return self.best - self.start

    @property
    def is_better(self) -> bool:
        """Whether the change is one for the better; an error is to fall."""
        return self.change < 0 if self.name in _LOWER_IS_BETTER else self.change > 0


def gains(history: History) -> list[Gain]:
    """Return every validation figure that the start and the best candidate both have."""
    best = history.best.metrics
    return [Gain(name, start, best[name]) for name, start in history.start.metrics.items() if name in best]

"""The learning rate of a step: a function of the step alone, so that nothing can decay twice, resumed or not."""

import math
from dataclasses import dataclass

from revsearch.train_specs import Schedule

_LAST_SHARE = 0.01  # of the highest rate, which a cosine ends on
_FALLS = ((0.9, 0.01), (0.6, 0.1))  # of the step schedule: from this share of all steps on, this share of the rate


@dataclass(frozen=True, slots=True)
class LearningRate:
    """Rises linearly over the warm-up, then stays (`constant`), falls as half a cosine or in two steps by ten each.

    Warm-up: Goyal et al. 2017; cosine: Loshchilov & Hutter 2017, without restarts.
    """

    highest: float
    n_steps: int
    schedule: Schedule
    warmup: float  # share of all steps

    def at(self, step: int) -> float:
        """Return the rate of a step, counted from 0."""
        n_warm = round(self.warmup * self.n_steps)
        if step < n_warm:
            return self.highest * (step + 1) / n_warm
        return self.highest * self._share(min(1.0, (step - n_warm) / max(1, self.n_steps - n_warm)))

    def _share(self, done: float) -> float:
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "step":
            return next((share for start, share in _FALLS if done >= start), 1.0)
        return _LAST_SHARE + (1 - _LAST_SHARE) * (1 + math.cos(math.pi * done)) / 2

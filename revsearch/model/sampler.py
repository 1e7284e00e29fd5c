"""Which images make the batches of an epoch, and by which views: a pure function of seed and epoch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.train_specs import PairSpec, TrainSpec
from revsearch.training_set import TrainingSet


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """One batch before anything is read.

    Attributes:
        rows: int64 `[b]`, manifest rows.
        classes: int64 `[b]`.
        seeds: int64 `[b]`, what the view of each is drawn from; a row drawn twice is seen in two views.
    """

    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    seeds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


def steps_per_epoch(training_set: TrainingSet, spec: TrainSpec) -> int:
    """Return how many batches an epoch has: as asked, else as many whole ones as there are images for."""
    return spec.steps_per_epoch or len(training_set.rows) // spec.batch_size


def epoch_batches(training_set: TrainingSet, spec: TrainSpec, epoch: int) -> list[BatchPlan]:
    """Return the global batches of an epoch, each of `batch_size` images.

    Presets that compare images get P classes of K images: no class again before all were taken, no image of a class
    before all of it were; where there are fewer than P classes, some give 2 K. Others get all images, shuffled; what
    does not fill a batch waits for another epoch.
    """
    rng = np.random.default_rng([spec.seed, epoch])
    n_steps = steps_per_epoch(training_set, spec)
    if isinstance(spec, PairSpec):
        places = _by_class(training_set, spec, rng, n_steps)
    else:
        places = _shuffled(training_set, spec, rng, n_steps)
    seeds = rng.integers(2**63, size=places.shape)
    rows, classes = training_set.rows[places], training_set.classes[places]
    return [BatchPlan(*columns) for columns in zip(rows, classes, seeds, strict=True)]


def batches_in_order(rows: NDArray[np.int64], classes: NDArray[np.int64], batch_size: int) -> list[BatchPlan]:
    """Return all rows `[n]` in batches as they come, the last one as long as it is; for looking, not for training."""
    starts = range(0, len(rows), batch_size)
    cuts = [slice(start, start + batch_size) for start in starts]
    return [BatchPlan(rows[cut], classes[cut], np.zeros(len(rows[cut]), np.int64)) for cut in cuts]


def share(plan: BatchPlan, rank: int, world: int) -> BatchPlan:
    """Return the part of a global batch that worker `rank` of `world` takes; together, in order, they are the batch.

    Raises:
        InvalidSpec: where workers would not get equally many.
    """
    if len(plan) % world:
        raise InvalidSpec(
            f"--workers: expected a number that divides --batch-size {len(plan)}, found {world}; change either"
        )
    mine = slice(rank * len(plan) // world, (rank + 1) * len(plan) // world)
    return BatchPlan(plan.rows[mine], plan.classes[mine], plan.seeds[mine])


def _shuffled(training_set: TrainingSet, spec: TrainSpec, rng: np.random.Generator, n_steps: int) -> NDArray[np.int64]:
    """Return places in the training set, int64 `[steps, batch_size]`."""
    deck = Deck(np.arange(len(training_set.rows)), rng)
    return np.array([deck.draw(spec.batch_size) for _ in range(n_steps)], np.int64).reshape(n_steps, spec.batch_size)


def _by_class(training_set: TrainingSet, spec: PairSpec, rng: np.random.Generator, n_steps: int) -> NDArray[np.int64]:
    """Return places in the training set, int64 `[steps, batch_size]`, K of a class beside each other."""
    order = np.argsort(training_set.classes, kind="stable")
    starts = np.searchsorted(training_set.classes[order], np.arange(1, training_set.n_classes))
    images = [Deck(places, rng) for places in np.split(order, starts)]
    classes = Deck(np.arange(training_set.n_classes), rng)
    n_classes = spec.batch_size // spec.images_per_class
    drawn = [[images[each].draw(spec.images_per_class) for each in classes.draw(n_classes)] for _ in range(n_steps)]
    return np.array(drawn, np.int64).reshape(n_steps, spec.batch_size)


class Deck:
    """Cards that are drawn without putting them back, until all are drawn: then they are shuffled anew."""

    def __init__(self, cards: NDArray[np.int64], rng: np.random.Generator) -> None:
        self._cards, self._rng = cards, rng
        self._n_drawn = len(cards)

    def draw(self, n: int) -> NDArray[np.int64]:
        """Return `n` cards, none of them twice unless there are fewer cards than that."""
        hand = self._take(n)
        while len(hand) < n:
            self._shuffle(hand)
            hand = np.concatenate([hand, self._take(n - len(hand))])
        return hand

    def _take(self, n: int) -> NDArray[np.int64]:
        taken = self._cards[self._n_drawn : self._n_drawn + n]
        self._n_drawn += len(taken)
        return taken

    def _shuffle(self, hand: NDArray[np.int64]) -> None:
        """Shuffle all cards, those of the hand to the end."""
        cards = self._rng.permutation(self._cards)
        in_hand = np.isin(cards, hand)
        self._cards, self._n_drawn = np.concatenate([cards[~in_hand], cards[in_hand]]), 0

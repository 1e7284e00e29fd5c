"""How good candidates of a training run are: held-out rows ranked all against all by the code that judges rankings."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors, normalise, vector_reasons
from revsearch.evaluation import MetricValue
from revsearch.exact_ranks import rank_blocks, relevant_ranks
from revsearch.index.exact import ExactIndex
from revsearch.metrics import Figures, ap_plain
from revsearch.relevance import Relevance
from revsearch.significance import Bootstrap
from revsearch.training_set import UNLABELLED

HIT, AP = "hit_rate_at_1", "ap_plain"
_RESAMPLES = 1_000


@dataclass(frozen=True)
class AllAgainstAll:
    """Validation rows as queries and gallery at once, each row's own place left out.

    Attributes:
        classes: int64 `[v]`; rows of one class are relevant to each other. -1 is no class.
    """

    classes: NDArray[np.int64]

    @cached_property
    def relevance(self) -> Relevance:
        """Which rows are right for which."""
        keys = [None if class_ == UNLABELLED else class_ for class_ in self.classes.tolist()]
        return Relevance.by_key(keys, keys, np.arange(len(keys)))

    @cached_property
    def queries(self) -> NDArray[np.int64]:
        """Rows that have another of their class, int64 ascending."""
        return np.asarray(np.flatnonzero(self.relevance.n_relevant()), np.int64)

    def figures(self, vectors: Vectors) -> dict[str, Figures]:
        """Return hit rate at 1 and average precision of each of `queries`, from vectors `[v, dim]`, by cosine.

        All are 0 where a vector is no direction, as a collapsed network gives them.
        """
        if any(vector_reasons(vectors)):
            return {name: np.zeros(len(self.queries)) for name in (HIT, AP)}
        found: dict[str, list[Figures]] = {HIT: [], AP: []}
        for rows in rank_blocks(self.relevance.n_relevant()):
            ranks, n_relevant = relevant_ranks(vectors[rows], vectors, self.relevance, rows, "cosine")
            found[HIT].append((ranks[np.cumsum(n_relevant) - n_relevant] == 0).astype(np.float64))
            found[AP].append(ap_plain(ranks, n_relevant))
        return {name: np.concatenate(figures) for name, figures in found.items()}

    def means(self, vectors: Vectors) -> dict[str, float]:
        """Return the means of `figures`."""
        return {name: float(figures.mean()) for name, figures in self.figures(vectors).items()}

    def metrics(self, vectors: Vectors, seed: int) -> dict[str, MetricValue]:
        """Return the same with 95 % intervals: 1,000 resamples over classes, over queries where there is one class."""
        figures = self.figures(vectors)
        columns = np.stack(list(figures.values()), axis=1)
        clusters = np.unique(self.classes[self.queries], return_inverse=True)[1]
        intervals = Bootstrap(_RESAMPLES, seed).intervals(columns, clusters)
        return {
            name: MetricValue(float(values.mean()), float(low), float(high), len(values), "exact")
            for (name, values), (low, high) in zip(figures.items(), intervals, strict=True)
        }

    def neighbours(self, vectors: Vectors, rows: NDArray[np.int64], k: int) -> list[list[tuple[int, float]]]:
        """Return for each of `rows` its k nearest others and their scores, best first.

        None has any where a vector is no direction.
        """
        if any(vector_reasons(vectors)):
            return [[] for _ in rows]
        units = normalise(vectors)
        places, scores = ExactIndex(units, "cosine").search(units[rows], k + 1)
        return [
            [(int(place), float(score)) for place, score in zip(*found, strict=True) if place != row][:k]
            for row, *found in zip(rows, places, scores, strict=True)
        ]

"""Evaluation: what a ranking is worth, each figure with its interval, its count, its source and its convention."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.manifest import Strings
from revsearch.metric_rules import MetricRule, Source
from revsearch.significance import Bootstrap


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A mean over queries.

    Attributes:
        value: the mean.
        low: lower bound of its 95 % interval.
        high: upper bound.
        n: queries averaged.
        source: `served`: from the lists users were given; `exact`: from the ranks in the whole gallery.
    """

    value: float
    low: float
    high: float
    n: int
    source: Source

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.value, self.low, self.high))):
            raise InvalidSpec(f"metric value: expected finite numbers, found {self}")


@dataclass(frozen=True)
class Evaluation:
    """All figures of one evaluation; none is NaN, and each names its convention.

    Attributes:
        metrics: by name, in the order they are shown.
        slices: the same by class of the query.
        counts: `n_queries` (averaged), `n_empty_queries`, `n_rejected_queries`, …
        conventions: one sentence a metric, and one on what else must be known to read them.
    """

    metrics: Mapping[str, MetricValue]
    slices: Mapping[str, Mapping[str, MetricValue]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    conventions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if unsaid := [name for name in self.metrics if name not in self.conventions]:
            raise InvalidSpec(f"evaluation: expected a convention of every metric, found none of {unsaid}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as an artifact keeps them."""
        return asdict(self)


def summarise(
    rules: Sequence[MetricRule],
    per_query: Mapping[str, NDArray[np.float64]],
    labels: Strings | None,
    counts: Mapping[str, int],
    bootstrap: Bootstrap,
    notes: Mapping[str, str],
) -> Evaluation:
    """Average figures over queries, and over the queries of each class.

    Intervals of the whole draw classes where queries have labels: queries of a class are not independent.

    Args:
        rules: the metrics computed.
        per_query: by metric name figures `[q]`, of the same queries: those with a relevant image.
        labels: the queries' classes, str or None `[q]`; None where they have none.
        counts: what was counted beside.
        bootstrap: of the intervals.
        notes: what else must be known to read the figures, such as what is relevant, one sentence each.
    """
    figures = np.stack([per_query[rule.name] for rule in rules], axis=1)  # [q, m]
    classes = {} if labels is None else _rows_of(labels)
    clusters = _clusters(len(figures), classes)
    return Evaluation(
        metrics=_averages(rules, figures, bootstrap, clusters),
        slices={label: _averages(rules, figures[rows], bootstrap) for label, rows in classes.items()},
        counts={"n_queries": len(figures), **counts},
        conventions={
            **{rule.name: rule.convention for rule in rules},
            "empty_queries": "queries without a relevant image are skipped and counted",
            "interval": _interval(bootstrap.resamples, classes),
            **notes,
        },
    )


def _averages(
    rules: Sequence[MetricRule],
    figures: NDArray[np.float64],
    bootstrap: Bootstrap,
    clusters: NDArray[np.int64] | None = None,
) -> dict[str, MetricValue]:
    """Return mean and interval of each column of figures `[q, m]`; nothing where there is no query."""
    if not len(figures):
        return {}
    intervals = bootstrap.intervals(figures, clusters)
    return {
        rule.name: MetricValue(float(mean), float(low), float(high), len(figures), rule.source)
        for rule, mean, (low, high) in zip(rules, figures.mean(axis=0), intervals, strict=True)
    }


def _rows_of(labels: Strings) -> dict[str, NDArray[np.int64]]:
    """Return the queries of each class, classes by name."""
    rows: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        if label is not None:
            rows.setdefault(label, []).append(row)
    return {label: np.array(rows[label], np.int64) for label in sorted(rows)}


def _clusters(n: int, classes: Mapping[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    """Give the queries of a class one code, every other query its own, codes from 0: `[n]`."""
    firsts = np.arange(n)
    for rows in classes.values():
        firsts[rows] = rows[0]
    return np.asarray(np.unique(firsts, return_inverse=True)[1], np.int64)


def _interval(resamples: int, classes: Mapping[str, NDArray[np.int64]]) -> str:
    drawn = "classes" if len(classes) > 1 else "queries"
    return f"95 % percentile bootstrap, {resamples} resamples over {drawn}"

"""Metric rules: each metric with its name, its source, and its convention in one sentence."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from revsearch.metrics import (
    Figures,
    ap_at_k,
    ap_plain,
    ap_trapezoid,
    hit_rate_at_k,
    map_at_r,
    ns3_self_out,
    ns4_self_in,
    precision_at_k,
    r_precision,
    recall_at_k,
)

Source = Literal["served", "exact"]

HIT_RATE_KS = (1, 3, 5, 10)  # 3: the course competition of 2021
PRECISION_KS = (1, 5, 10)
RECALL_KS = (1, 5, 10)


@dataclass(frozen=True)
class MetricRule:
    """A metric as a protocol asks for it.

    Attributes:
        name: carries the convention.
        source: `served`: from the lists users were given; `exact`: from the ranks in the whole gallery.
        convention: what is computed, one sentence.
        compute: figures `[q]` of hits bool `[q, k]` (served) or ranks `[sum(n_relevant)]` (exact), and n_relevant.
        self_in: whether the query's own row counts as found.
    """

    name: str
    source: Source
    convention: str
    compute: Callable[[NDArray[Any], NDArray[np.int64]], Figures]
    self_in: bool = False


def served_metrics(depth: int) -> tuple[MetricRule, ...]:
    """Return the metrics that lists of `depth` places are long enough for."""
    return (
        *(_hit_rate(k) for k in HIT_RATE_KS if k <= depth),
        *(_precision(k) for k in PRECISION_KS if k <= depth),
        *(_recall(k) for k in sorted({*RECALL_KS, depth}) if 1 <= k <= depth),
        *(_ap(k) for k in (depth,) if k >= 1),
    )


def _hit_rate(k: int) -> MetricRule:
    said = f"share of queries with at least one relevant image among the first {k} (top-{k} accuracy)"
    return MetricRule(f"hit_rate_at_{k}", "served", said, partial(_without_r, hit_rate_at_k, k=k))


def _precision(k: int) -> MetricRule:
    said = f"relevant images among the first {k}, divided by {k}, also where fewer are relevant"
    return MetricRule(f"precision_at_{k}", "served", said, partial(_without_r, precision_at_k, k=k))


def _recall(k: int) -> MetricRule:
    said = f"relevant images among the first {k}, divided by all relevant images of the gallery"
    return MetricRule(f"recall_at_{k}", "served", said, partial(recall_at_k, k=k))


def _ap(k: int) -> MetricRule:
    said = f"average precision of the first {k}: the sum of precisions at hits, divided by min(R, {k})"
    return MetricRule(f"ap_at_{k}", "served", said, partial(ap_at_k, k=k))


def _without_r(
    metric: Callable[[NDArray[Any], int], Figures], hits: NDArray[Any], n_relevant: NDArray[np.int64], *, k: int
) -> Figures:
    """Give metrics that do not ask for R the form of those that do."""
    del n_relevant
    return metric(hits, k)


FULL_RANK = (
    MetricRule(
        "ap_plain", "exact", "average precision over the whole gallery, (1/R) Σ rel(i) P(i); its mean is mAP", ap_plain
    ),
    MetricRule(
        "ap_trapezoid",
        "exact",
        "area under the precision-recall curve by trapezoids, over the whole gallery (Oxford, Paris, Market form)",
        ap_trapezoid,
    ),
    MetricRule("map_at_r", "exact", "(1/R) Σ rel(i) P(i) over the first R of the whole gallery", map_at_r),
    MetricRule("r_precision", "exact", "relevant images among the first R of the whole gallery, over R", r_precision),
)
N_S = (
    MetricRule(
        "ns4_self_in",
        "exact",
        "UKBench N-S score, 0 to 4: relevant images among the first 4, the query itself in the gallery and first",
        ns4_self_in,
        self_in=True,
    ),
    MetricRule(
        "ns3_self_out",
        "exact",
        "relevant images among the first 3, the query itself left out: 0 to 3, ns4_self_in less 1",
        ns3_self_out,
    ),
)

"""Protocols: which metrics, over which relevance, with which conventions."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from revsearch.manifest import Manifest, Strings
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
from revsearch.specs import Protocol

Source = Literal["served", "exact"]
UKBENCH_GROUP = 4  # views of each object

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


@dataclass(frozen=True)
class ProtocolRules:
    """What a protocol computes, beside the served metrics that all share.

    Attributes:
        name: the protocol.
        exact: full-rank metrics.
        relevant: what is relevant, where there is no truth file, one sentence.
        views: images an object in the order of the names, where groups are not given; None takes labels.
    """

    name: Protocol
    exact: tuple[MetricRule, ...]
    relevant: str
    views: int | None = None

    def keys(self, manifest: Manifest) -> Strings:
        """Return what must be equal for two images to match, str or None `[n]`, for the rows of a whole manifest.

        Groups where any row has one, else objects of `views` names each, else labels. Distractors have None: they
        match nothing.
        """
        keys = self._keys(manifest)
        return np.where(manifest.roles == "distractor", None, keys)

    def _keys(self, manifest: Manifest) -> Strings:
        if any(group is not None for group in manifest.groups):
            return manifest.groups
        return manifest.labels if self.views is None else _by_name_order(manifest.ids, self.views)


def rules(name: Protocol) -> ProtocolRules:
    """Return the rules of a protocol that `resolve` gave.

    Raises:
        KeyError: for `auto`, which is none.
    """
    return _PROTOCOLS[name]


def resolve(asked: Protocol, self_positions: NDArray[np.int64]) -> Protocol:
    """Return the protocol meant: `auto` is all-vs-all where every query is a gallery row itself, else competition."""
    if asked != "auto":
        return asked
    return "all-vs-all" if len(self_positions) and np.all(self_positions >= 0) else "competition"


def served_metrics(depth: int) -> tuple[MetricRule, ...]:
    """Return the metrics that lists of `depth` places are long enough for."""
    recall_ks = sorted({*RECALL_KS, depth})
    return (
        *(_hit_rate(k) for k in HIT_RATE_KS if k <= depth),
        *(_precision(k) for k in PRECISION_KS if k <= depth),
        *(_recall(k) for k in recall_ks if k <= depth),
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


def _by_name_order(ids: Strings, views: int) -> Strings:
    """Group every `views` names in sorted order: floor(index / views), as str `[n]`."""
    order = np.argsort(ids)
    groups = np.empty(len(ids), object)
    groups[order] = [str(index // views) for index in range(len(ids))]
    return groups


_FULL_RANK = (
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
_N_S = (
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
_PROTOCOLS: dict[str, ProtocolRules] = {
    "competition": ProtocolRules(
        "competition", _FULL_RANK, "gallery images of the query's group, else label; distractors never"
    ),
    "all-vs-all": ProtocolRules(
        "all-vs-all", _FULL_RANK, "gallery images of the query's group, else label; the query itself is left out"
    ),
    "ukbench": ProtocolRules(
        "ukbench",
        (*_N_S, *_FULL_RANK),
        "gallery images of the query's group, else of its four in the order of the names; the query itself is left "
        "out but for ns4_self_in",
        views=UKBENCH_GROUP,
    ),
}

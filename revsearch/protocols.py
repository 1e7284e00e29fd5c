"""Protocols: which metrics, over which relevance, with which conventions."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from revsearch.manifest import Manifest, Strings
from revsearch.metric_rules import FULL_RANK, N_S, MetricRule
from revsearch.specs import Protocol

UKBENCH_GROUP = 4  # views of each object


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

    def keys(self, manifest: Manifest, rejected_ids: Collection[str] = ()) -> Strings:
        """Return what must be equal for two images to match, str or None `[n]`, for the rows of a whole manifest.

        Groups where any row has one, else objects of `views` names each, else labels. Distractors have None: they
        match nothing. Files that were rejected have a place among the names as others do.
        """
        keys = self._all_keys(manifest, rejected_ids).copy()
        keys[manifest.roles == "distractor"] = None
        return keys

    def _all_keys(self, manifest: Manifest, rejected_ids: Collection[str]) -> Strings:
        if any(group is not None for group in manifest.groups):
            return manifest.groups
        return manifest.labels if self.views is None else _by_name_order(manifest.ids, rejected_ids, self.views)


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


def _by_name_order(ids: Strings, rejected_ids: Collection[str], views: int) -> Strings:
    """Group every `views` names in sorted order: floor(index / views), as str `[n]`."""
    place = {id: index for index, id in enumerate(sorted({*ids, *rejected_ids}))}
    return np.array([str(place[id] // views) for id in ids], object)


_PROTOCOLS: dict[str, ProtocolRules] = {
    "competition": ProtocolRules(
        "competition", FULL_RANK, "gallery images of the query's group, else label; distractors never"
    ),
    "all-vs-all": ProtocolRules(
        "all-vs-all", FULL_RANK, "gallery images of the query's group, else label; the query itself is left out"
    ),
    "ukbench": ProtocolRules(
        "ukbench",
        (*N_S, *FULL_RANK),
        "gallery images of the query's group, else of its four in the order of the names; the query itself is left "
        "out but for ns4_self_in",
        views=UKBENCH_GROUP,
    ),
}

"""Triplets as training will see them, drawn from its first batches for people to look at."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from revsearch.rejects import Rejection
from revsearch.render.training_report import Triplet, View
from revsearch.stages.train_work import TrainWork
from revsearch.storage.artifact import load
from revsearch.storage.manifests import StoredManifest

_TRIPLETS = 6


def sample_triplets(work: TrainWork, plans: Sequence[Any], pictures: Any, augment: Any) -> list[Triplet]:
    """Return up to 6 triplets (anchor, positive, negative) of an epoch's batches, one a batch, then again.

    A triplet of which a picture cannot be read any more is left out: nothing depends on it.

    Args:
        work: the run.
        plans: global batches of the epoch (`model.sampler`).
        pictures: gives the decoded picture of a manifest row.
        augment: makes a view of a picture and a seed.
    """
    manifest = StoredManifest(work.store, load(work.store, work.manifest))
    rng = np.random.default_rng(work.spec.seed)
    found = []
    for plan in [plans[number % len(plans)] for number in range(_TRIPLETS)]:
        places = _places(plan.classes, rng)
        if places is None:
            continue
        try:
            views = [augment(pictures[int(plan.rows[place])], int(plan.seeds[place])) for place in places]
        except Rejection:
            continue
        ids = [manifest.take(plan.rows[[place]]).ids[0] for place in places]
        names = [work.rows.names[plan.classes[place]] for place in places]
        found.append(
            Triplet(*(View(id, name, _pixels(view)) for id, name, view in zip(ids, names, views, strict=True)))
        )
    return found


def _places(classes: Any, rng: np.random.Generator) -> list[int] | None:
    """Return the places of an anchor, another of its class, and one of another class; None where there are none."""
    for anchor in rng.permutation(len(classes)):
        alike = np.flatnonzero(classes == classes[anchor])
        others = np.flatnonzero(classes != classes[anchor])
        alike = alike[alike != anchor]
        if classes[anchor] >= 0 and len(alike) and len(others):
            return [int(anchor), int(rng.choice(alike)), int(rng.choice(others))]
    return None


def _pixels(view: Any) -> Any:
    return view.permute(1, 2, 0).contiguous().numpy()

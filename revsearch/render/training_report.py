"""What a training page shows, as plain values: the caller gathers them, `revsearch.render.training_page` draws them.

Curves, candidates and epochs are the history's own. Every further part may be left out: an autoencoder without labels
has no metrics, no triplets and no verdicts; a preset without a decoder has no reconstructions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from revsearch.render.report import Metric, RejectRow, StageTimeline, Summary, Tile
from revsearch.training import History


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A picture as the network meets it in training.

    Attributes:
        pixels: uint8 `[height, width, 3]`, after augmentation.
    """

    id: str
    label: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Triplet:
    """An anchor, another image of its class, and one of another class."""

    anchor: View
    positive: View
    negative: View

    @property
    def views(self) -> tuple[View, View, View]:
        """All three, in the order in which they are shown."""
        return self.anchor, self.positive, self.negative


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """A query of the validation rows and its neighbours, best first, by the start and by what is handed out."""

    query: Tile
    before: tuple[Tile, ...]
    after: tuple[Tile, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingReport:
    """Everything a training page shows.

    Attributes:
        summary: of the pictures trained and validated on; its roles are shown as counts under their names.
        history: what there was; its best candidate is what is handed out.
        metrics: of the best candidate on the validation rows, most important first; the first four head the page,
            each beside the start's figure of the same name.
        triplets: as sampled before the first step.
        reconstructions: a PNG by `reconstruction_png`.
        seconds: stage -> step -> seconds.
        timelines: of the run; none where it kept none.
        provenance: heading (training, data, encoder, versions) -> name -> value.
    """

    title: str
    subtitle: str
    summary: Summary
    history: History
    metrics: tuple[Metric, ...] = ()
    triplets: tuple[Triplet, ...] = ()
    triplets_note: str = ""
    neighbours: tuple[BeforeAfter, ...] = ()
    neighbours_note: str = ""
    reconstructions: bytes | None = None
    reconstructions_note: str = ""
    seconds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    timelines: tuple[StageTimeline, ...] = ()
    rejects: tuple[RejectRow, ...] = ()
    provenance: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

"""What every worker of a training run is told, and what the run gives."""

from collections.abc import Mapping
from dataclasses import dataclass

from revsearch.evaluation import MetricValue
from revsearch.render.training_report import Triplet
from revsearch.space import EmbeddingSpace
from revsearch.stages.row_reader import RowReader
from revsearch.storage.artifact import Draft
from revsearch.storage.card import Part
from revsearch.storage.store import Store
from revsearch.train_specs import TrainSpec
from revsearch.training import History
from revsearch.training_set import TrainingSet


@dataclass(frozen=True)
class TrainWork:
    """All a worker must know; the same for every worker of a run.

    Attributes:
        space: the encoder's to be, but for its weights.
        start: what it starts from; None from scratch.
        view_size: side of the training views.
        n_loaders: processes a worker that decode; 0 decodes in the worker itself.
        threads: a worker computes with.
    """

    store: Store
    draft: Draft
    spec: TrainSpec
    manifest: str
    reader: RowReader
    space: EmbeddingSpace
    start: EmbeddingSpace | None
    rows: TrainingSet
    view_size: int
    n_loaders: int
    threads: int
    image_timeout_s: float


@dataclass(frozen=True)
class Shown:
    """A validation row and its nearest others: manifest rows and scores, best first; relevant ones by row."""

    row: int
    before: list[tuple[int, float]]
    after: list[tuple[int, float]]
    relevant: frozenset[int]


@dataclass(frozen=True)
class TrainOutcome:
    """What a finished run gives the driver.

    Attributes:
        weights: the best candidate's, a part of the artifact.
        pictures: further parts, PNG, by what they show.
        before: metrics of the start on the validation rows, none where nothing says what is alike.
        after: those of the best candidate.
        shown: some validation rows with their neighbours.
        triplets: as the first epoch saw them; none where there are no classes.
    """

    weights: Part
    history: History
    pictures: Mapping[str, Part]
    before: Mapping[str, MetricValue]
    after: Mapping[str, MetricValue]
    shown: list[Shown]
    triplets: list[Triplet]

"""Triplets for people to look at: what they are made of, and when there are none."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch.model.augment import unchanged
from revsearch.model.sampler import BatchPlan
from revsearch.rejects import Reason, Rejection
from revsearch.render.training_report import Triplet
from revsearch.space import EmbeddingSpace
from revsearch.specs import ImageLimits
from revsearch.stages.row_reader import RowReader
from revsearch.stages.train_triplets import sample_triplets
from revsearch.stages.train_work import TrainWork
from revsearch.storage.artifact import Draft
from revsearch.storage.folder import Folder
from revsearch.storage.local import LocalStore
from revsearch.train_specs import TripletSpec
from revsearch.training_set import TrainingSet

IDS = [f"{number:02}.png" for number in range(12)]
CLASSES = [0, 0, 0, 1, 1, 1, 2, 2, 2, -1, -1, -1]
NAMES = ("cat", "dog", "fox")
NONE = np.empty(0, np.int64)


class Pictures:
    """A picture a row, its number in every pixel; some are gone meanwhile."""

    def __init__(self, *gone: int) -> None:
        self.gone = gone

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        if row in self.gone:
            raise Rejection(Reason.MISSING, "gone")
        return np.full((4, 6, 3), row, np.uint8)


@pytest.fixture
def work(store: LocalStore, by_hand: Any, make_space: Any) -> TrainWork:
    manifest = by_hand.manifest(IDS)
    space: EmbeddingSpace = make_space(2)
    rows = TrainingSet(np.arange(12), np.array(CLASSES), NONE, NONE, NONE, NAMES, 3)
    return TrainWork(
        store=store,
        draft=Draft(store, "encoder", "0123456789ab", {}, {}),
        spec=TripletSpec(str(manifest)),
        manifest=str(manifest),
        reader=RowReader({"": Folder(Path("/nowhere"))}, ImageLimits(), follow_symlinks=False),
        space=space,
        start=space,
        rows=rows,
        view_size=4,
        n_loaders=0,
        threads=1,
        image_timeout_s=60.0,
    )


def plan(*rows: int) -> BatchPlan:
    return BatchPlan(np.array(rows), np.array(CLASSES)[list(rows)], np.arange(len(rows)))


def sampled(work: TrainWork, plans: Sequence[BatchPlan], *gone: int) -> list[Triplet]:
    return sample_triplets(work, plans, Pictures(*gone), unchanged)


def rows_of(triplet: Triplet) -> list[int]:
    return [IDS.index(view.id) for view in triplet.views]


def test_triplets_are_two_of_a_class_and_one_of_another(work: TrainWork) -> None:
    plans = [plan(8, 0, 1, 6, 3), plan(3, 4, 9, 10)]
    found = sampled(work, plans)
    assert len(found) == 6
    for number, triplet in enumerate(found):
        anchor, positive, negative = rows_of(triplet)
        assert {anchor, positive, negative} <= set(plans[number % 2].rows.tolist())
        assert CLASSES[anchor] == CLASSES[positive] >= 0
        assert anchor != positive
        assert CLASSES[negative] != CLASSES[anchor]


def test_views_are_what_they_say(work: TrainWork) -> None:
    for triplet in sampled(work, [plan(*range(9))]):
        for view, row in zip(triplet.views, rows_of(triplet), strict=True):
            assert view.label == NAMES[CLASSES[row]]
            assert view.pixels.dtype == np.uint8
            assert np.array_equal(view.pixels, np.full((4, 6, 3), row))


def test_views_are_made_with_the_seeds_of_the_plan(work: TrainWork) -> None:
    seen: list[tuple[int, int]] = []

    def augment(picture: NDArray[np.uint8], seed: int) -> Any:
        seen.append((int(picture[0, 0, 0]), seed))
        return unchanged(picture, seed)

    batch = plan(5, 0, 1, 4)
    sample_triplets(work, [batch], Pictures(), augment)
    assert set(seen) <= set(zip(batch.rows.tolist(), batch.seeds.tolist(), strict=True))


def test_they_are_the_same_again(work: TrainWork) -> None:
    once, again = (sampled(work, [plan(*range(9))]) for _ in range(2))
    assert [rows_of(each) for each in once] == [rows_of(each) for each in again]


@pytest.mark.parametrize("rows", [(9, 10, 11), (0, 1, 2), (0, 3, 6, 9)], ids=["no class", "one class", "no two"])
def test_a_batch_without_triplets_gives_none(work: TrainWork, rows: tuple[int, ...]) -> None:
    assert sampled(work, [plan(*rows)]) == []
    assert len(sampled(work, [plan(*rows), plan(0, 1, 3)])) == 3


def test_pictures_that_are_gone_meanwhile_cost_their_triplet_alone(work: TrainWork) -> None:
    plans = [plan(0, 1, 3), plan(6, 7, 4)]
    found = sampled(work, plans, 3)
    assert [set(rows_of(each)) for each in found] == [{6, 7, 4}] * 3
    assert sampled(work, plans, 0, 4) == []

"""Batches: P x K, each image once before any twice, the same for seed and epoch, and shared out whole."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from revsearch.errors import InvalidSpec
from revsearch.model.sampler import BatchPlan, Deck, batches_in_order, epoch_batches, share, steps_per_epoch
from revsearch.train_specs import AutoencoderSpec, ClassifierSpec, TrainSpec, TripletSpec
from revsearch.training_set import TrainingSet


def made(*sizes: int) -> TrainingSet:
    """A training set of classes of these sizes, its rows mixed."""
    classes = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    none = np.empty(0, np.int64)
    names = tuple(f"c{number}" for number in range(len(sizes)))
    return TrainingSet(np.arange(len(classes)) * 2 + 1, classes, none, none, none, names, len(sizes))


def triplet(**options: Any) -> TripletSpec:
    return TripletSpec("manifest/x", **{"batch_size": 12, "images_per_class": 3, **options})


def listed(plans: list[BatchPlan]) -> list[list[list[int]]]:
    return [[plan.rows.tolist(), plan.classes.tolist(), plan.seeds.tolist()] for plan in plans]


SPECS = [triplet(), ClassifierSpec("manifest/x", batch_size=12), AutoencoderSpec("manifest/x", batch_size=12)]


@pytest.mark.parametrize("spec", SPECS)
def test_whole_batches_of_the_sets_rows(spec: TrainSpec) -> None:
    training_set = made(*[7] * 9)
    plans = epoch_batches(training_set, spec, 1)
    class_of = dict(zip(training_set.rows.tolist(), training_set.classes.tolist(), strict=True))
    assert len(plans) == steps_per_epoch(training_set, spec) == 5  # 63 images
    for plan in plans:
        assert len(plan) == 12
        assert all(column.dtype == np.int64 for column in (plan.rows, plan.classes, plan.seeds))
        assert [class_of[row] for row in plan.rows.tolist()] == plan.classes.tolist()
    seeds = np.concatenate([plan.seeds for plan in plans])
    assert len(np.unique(seeds)) == 60
    assert seeds.min() >= 0


@pytest.mark.parametrize("spec", SPECS)
def test_a_pure_function_of_seed_and_epoch(spec: TrainSpec) -> None:
    training_set = made(*[7] * 9)
    other = type(spec)(**{**vars(spec), "seed": 1})
    drawn = [listed(epoch_batches(training_set, each, epoch)) for each in (spec, other) for epoch in (1, 2)]
    assert drawn[0] == listed(epoch_batches(training_set, spec, 1))
    assert all(drawn[i] != drawn[j] for i in range(4) for j in range(i))


def test_every_batch_is_p_times_k() -> None:
    for plan in epoch_batches(made(*[7] * 9), triplet(steps_per_epoch=50), 1):
        assert sorted(Counter(plan.classes.tolist()).values()) == [3] * 4
        assert len(set(plan.rows.tolist())) == 12
        assert all(len(set(plan.classes[start : start + 3].tolist())) == 1 for start in range(0, 12, 3))


def test_no_image_twice_before_all_of_its_class() -> None:
    plans = epoch_batches(made(*[7] * 8), triplet(steps_per_epoch=28), 1)
    for number in range(8):
        drawn = np.concatenate([plan.rows[plan.classes == number] for plan in plans])
        assert len(drawn) == 42  # 28 batches of 4 of 8 classes, 3 images each: every class comes equally often
        for start in range(0, 42, 7):
            assert len(set(drawn[start : start + 7].tolist())) == 7


def test_fewer_classes_than_a_batch_takes_give_more_images_each() -> None:
    for plan in epoch_batches(made(8, 8, 8), triplet(), 1):
        assert sorted(Counter(plan.classes.tolist()).values()) == [3, 3, 6]
        assert len(set(plan.rows.tolist())) == 12


def test_a_class_that_is_too_small_gives_an_image_twice_in_two_views() -> None:
    plan = epoch_batches(made(4, 40), triplet(batch_size=24), 1)[0]
    mine = plan.classes == 0
    assert int(mine.sum()) == 12
    assert set(Counter(plan.rows[mine].tolist()).values()) == {3}
    assert len(set(plan.seeds.tolist())) == 24


def test_an_epoch_shows_each_image_once_where_there_are_no_pairs() -> None:
    training_set = made(30, 33)
    drawn = np.concatenate([plan.rows for plan in epoch_batches(training_set, SPECS[2], 3)])
    assert len(drawn) == len(set(drawn.tolist())) == 60


def test_more_steps_than_images_begin_anew() -> None:
    spec = ClassifierSpec("manifest/x", batch_size=10, steps_per_epoch=6)
    drawn = np.concatenate([plan.rows for plan in epoch_batches(made(10, 10), spec, 1)])
    assert set(Counter(drawn.tolist()).values()) == {3}


def test_workers_share_a_batch() -> None:
    plan = epoch_batches(made(*[7] * 9), triplet(), 1)[0]
    for world in (1, 2, 3, 12):
        shares = [share(plan, rank, world) for rank in range(world)]
        assert {len(each) for each in shares} == {12 // world}
        for name in ("rows", "classes", "seeds"):
            assert np.array_equal(np.concatenate([getattr(each, name) for each in shares]), getattr(plan, name))


def test_workers_that_cannot_share_equally() -> None:
    plan = epoch_batches(made(*[7] * 9), triplet(), 1)[0]
    with pytest.raises(InvalidSpec, match="divides --batch-size 12, found 5"):
        share(plan, 0, 5)


def test_batches_in_order() -> None:
    rows, classes = np.arange(7) * 5, np.arange(7)
    plans = batches_in_order(rows, classes, 3)
    assert [len(plan) for plan in plans] == [3, 3, 1]
    assert np.array_equal(np.concatenate([plan.rows for plan in plans]), rows)
    assert np.array_equal(np.concatenate([plan.classes for plan in plans]), classes)
    assert batches_in_order(rows[:0], classes[:0], 3) == []


@pytest.mark.parametrize("hand", [1, 2, 3, 5, 6, 7, 20])
def test_a_deck_gives_all_cards_before_any_again(hand: int) -> None:
    deck = Deck(np.arange(6) * 10, np.random.default_rng(0))
    hands = [deck.draw(hand).tolist() for _ in range(30)]
    assert all(len(each) == hand for each in hands)
    assert all(max(Counter(each).values()) == -(-hand // 6) for each in hands)
    dealt = [card for each in hands for card in each]
    counts = [Counter(dealt[: 6 * rounds]) for rounds in range(1, len(dealt) // 6 + 1)]
    if 6 % hand == 0:
        assert all(set(count.values()) == {rounds} for rounds, count in enumerate(counts, 1))

"""What is trained on, what is held out, and what is refused before time is spent."""

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from revsearch.errors import InvalidSpec
from revsearch.train_specs import (
    AutoencoderSpec,
    ClassifierSpec,
    ContrastiveSpec,
    TrainSpec,
    TripletAutoencoderSpec,
    TripletSpec,
)
from revsearch.training_set import TrainingSet
from revsearch.training_split import split_rows

Sizes = dict[str | None, int]


def split(sizes: Sizes, spec: TrainSpec, seed: int = 0) -> tuple[TrainingSet, dict[int, str | None]]:
    """Split a set of classes of these sizes, its rows mixed; also return the class of each row."""
    names = np.array([name for name, size in sizes.items() for _ in range(size)], object)
    names = np.random.default_rng(seed).permutation(names)
    rows = np.arange(len(names)) * 3 + 5
    return split_rows(rows, names, spec=spec), dict(zip(rows.tolist(), names, strict=True))


def triplet(**options: Any) -> TripletSpec:
    return TripletSpec("manifest/x", **{"batch_size": 10, "images_per_class": 5, **options})


def classifier(**options: Any) -> ClassifierSpec:
    return ClassifierSpec("manifest/x", **{"batch_size": 10, **options})


def autoencoder(**options: Any) -> AutoencoderSpec:
    return AutoencoderSpec("manifest/x", **{"batch_size": 10, **options})


def even(n_classes: int, size: int) -> Sizes:
    return {f"c{number:02}": size for number in range(n_classes)}


def complaints(sizes: Sizes, spec: TrainSpec) -> tuple[str, ...]:
    with pytest.raises(InvalidSpec) as refused:
        split(sizes, spec)
    return refused.value.problems


SETS = [
    (even(10, 8), triplet()),
    (even(10, 8) | {None: 7}, triplet()),
    (even(10, 20), triplet(split="image")),
    (even(10, 8) | {"few": 4, "one": 1}, triplet(rare="skip")),
    (even(10, 8) | {None: 3}, ContrastiveSpec("manifest/x", batch_size=10, images_per_class=5)),
    (even(10, 8), classifier()),
    (even(10, 8) | {"one": 1}, classifier(split="class", rare="skip")),
    (even(10, 8) | {None: 3, "one": 1}, autoencoder()),
    ({None: 80}, autoencoder()),
    (even(10, 8) | {None: 3}, triplet(validation_images=5)),
    (even(10, 20), classifier(validation_images=7)),
    ({None: 80}, autoencoder(validation_images=2)),
    (even(10, 8) | {None: 9}, autoencoder(split="class")),
    (even(10, 8), TripletAutoencoderSpec("manifest/x", batch_size=10, images_per_class=5)),
]


@pytest.mark.parametrize(("sizes", "spec"), SETS)
def test_every_row_is_in_one_list_with_its_own_class(sizes: Sizes, spec: TrainSpec) -> None:
    found, names = split(sizes, spec)
    lists = (found.rows, found.validation_rows, found.left_out)
    assert sorted(row for each in lists for row in each.tolist()) == sorted(names)
    assert all((np.diff(each) > 0).all() for each in lists)
    for rows, classes in ((found.rows, found.classes), (found.validation_rows, found.validation_classes)):
        assert rows.dtype == classes.dtype == np.int64
        for row, number in zip(rows.tolist(), classes.tolist(), strict=True):
            assert names[row] == (None if number < 0 else found.names[number])
    assert set(found.classes.tolist()) - {-1} == set(range(found.n_classes))
    trained_on = found.names[: found.n_classes]
    assert list(trained_on) == sorted(trained_on)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9])
def test_by_class_no_class_is_on_both_sides(share: float) -> None:
    found, _ = split(even(10, 8), triplet(validation_share=share))
    held = set(found.validation_classes.tolist())
    assert not held & set(found.classes.tolist())
    assert len(held) == min(8, max(1, round(10 * share)))
    assert found.n_classes == 10 - len(held)


def test_by_image_each_class_is_on_both_sides() -> None:
    found, _ = split({"small": 8, "large": 40}, triplet(split="image", validation_share=0.2))
    assert found.names == ("large", "small")
    assert Counter(found.validation_classes.tolist()) == {0: 8, 1: 2}  # two at least, so that there is one to find
    assert Counter(found.classes.tolist()) == {0: 32, 1: 6}


def test_by_image_a_class_keeps_what_a_batch_takes_of_it() -> None:
    found, _ = split({"a": 6, "b": 7, "c": 40}, triplet(split="image", validation_share=0.5))
    assert Counter(found.classes.tolist()) == {0: 6, 1: 5, 2: 20}


def test_the_split_is_a_function_of_the_seed() -> None:
    def held(seed: int) -> list[int]:
        return split(even(10, 8), triplet(seed=seed))[0].validation_rows.tolist()

    assert held(1) == held(1)
    assert len({tuple(held(seed)) for seed in range(8)}) > 3


@pytest.mark.parametrize("most", [2, 15, 16, 2000])
def test_no_more_is_held_out_than_a_validation_ranks(most: int) -> None:
    """What is over is left out; what is trained on stays as it was."""
    spec = triplet(rare="skip")
    whole, some = (split(even(10, 8) | {"few": 4}, replace(spec, validation_images=n))[0] for n in (16, most))
    assert (len(whole.validation_rows), len(whole.left_out)) == (16, 4)
    assert len(some.validation_rows) == min(most, 16)
    assert some.rows.tolist() == whole.rows.tolist()
    over = np.setdiff1d(whole.validation_rows, some.validation_rows)
    assert some.left_out.tolist() == sorted([*whole.left_out, *over])


def test_what_a_validation_ranks_is_a_function_of_the_seed() -> None:
    def ranked(seed: int) -> list[int]:
        held = [split({None: 80}, autoencoder(seed=seed, validation_images=n))[0].validation_rows for n in (16, 4)]
        return np.searchsorted(*held).tolist()  # places among those held out

    assert ranked(1) == ranked(1)
    assert len({tuple(ranked(seed)) for seed in range(8)}) > 3


def test_rows_without_a_class_are_left_out_where_classes_are_learned() -> None:
    found, names = split(even(10, 8) | {None: 7, "few": 4}, triplet(rare="skip"))
    assert Counter(names[row] for row in found.left_out.tolist()) == {None: 7, "few": 4}


def test_an_autoencoder_takes_all() -> None:
    found, _ = split({None: 40, "a": 1}, autoencoder())
    assert (len(found.rows), len(found.validation_rows), len(found.left_out)) == (33, 8, 0)


@pytest.mark.parametrize("spec", [triplet(), classifier(), TripletAutoencoderSpec("m", batch_size=10)])
def test_no_labels(spec: TrainSpec) -> None:
    (problem,) = complaints({None: 80}, spec)
    assert problem.startswith("no labels")
    assert "autoencoder" in problem


@pytest.mark.parametrize("spec", [triplet(), triplet(split="image"), classifier()])
def test_one_class(spec: TrainSpec) -> None:
    (problem,) = complaints({"only": 50}, spec)
    assert problem.startswith("one class: expected two or more, found 'only' alone")


@pytest.mark.parametrize(("sizes", "n_left"), [(even(10, 4), 0), (even(10, 4) | {"a": 9}, 1)])
def test_too_few_classes_are_left_by_skipping(sizes: Sizes, n_left: int) -> None:
    (problem,) = complaints(sizes, triplet(rare="skip"))
    assert f"found {n_left} of {len(sizes)}" in problem


def test_rare_classes_are_counted_and_named() -> None:
    sizes = even(10, 8) | {f"rare{number}": 2 + number % 2 for number in range(7)}
    (problem,) = complaints(sizes, triplet())
    assert problem.startswith(
        "7 of 17 classes have fewer than 5 images: 'rare0' (2), 'rare1' (3), 'rare2' (2), 'rare3'"
    )
    assert "'rare5'" not in problem
    assert "lower --images-per-class to 2, or leave them out by --rare skip" in problem


@pytest.mark.parametrize("spec", [triplet(images_per_class=2), classifier()])
def test_a_class_of_one_image(spec: TrainSpec) -> None:
    (problem,) = complaints(even(10, 8) | {"alone": 1}, spec)
    assert "1 of 11 classes have fewer than 2 images: 'alone' (1); add images, leave them out by --rare skip" in problem


@pytest.mark.parametrize(
    ("sizes", "spec"),
    [
        (even(10, 6), triplet(split="image")),  # 5 are needed to train on, 2 to judge by
        (even(10, 3), classifier()),
        ({None: 50}, autoencoder(split="class")),
        ({"a": 50}, autoencoder(split="class")),
    ],
)
def test_empty_validation(sizes: Sizes, spec: TrainSpec) -> None:
    assert any(each.startswith("empty validation") for each in complaints(sizes, spec))


def test_two_classes_cannot_be_split_by_class() -> None:
    (problem,) = complaints(even(2, 30), triplet())
    assert "holds out whole classes, and there are too few; use --split image" in problem
    assert split(even(2, 30), triplet(split="image"))[0].n_classes == 2


@pytest.mark.parametrize("spec", [triplet(batch_size=100), classifier(batch_size=100), autoencoder(batch_size=100)])
def test_a_batch_larger_than_the_set(spec: TrainSpec) -> None:
    (problem,) = complaints(even(10, 8), spec)
    n_left = re.search(r"--batch-size 100: expected at most the (\d+) images", problem)
    assert n_left is not None
    assert 50 < int(n_left[1]) < 80


def test_all_problems_at_once() -> None:
    problems = complaints(even(3, 4), triplet(batch_size=1000, split="image"))
    assert [each.split(":")[0] for each in problems] == [
        "3 of 3 classes have fewer than 5 images",
        "empty validation",
        "--batch-size 1000",
    ]

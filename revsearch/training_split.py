"""Holding out rows for validation, by whole classes or by images of each; and refusing what cannot be learned from."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.manifest import Strings
from revsearch.train_specs import ClassifierSpec, PairSpec, TrainSpec
from revsearch.training_set import UNLABELLED, Rows, TrainingSet

_MIN_IMAGES = 2  # of a class, on either side: of one alone there is nothing to find
_MIN_CLASSES = 2  # to learn from
_NAMED = 5  # rare classes that a message names

Mask = NDArray[np.bool_]


def split_rows(rows: Rows, names: Strings, *, spec: TrainSpec) -> TrainingSet:
    """Choose which rows are trained on and which are held out; a function of the spec and its seed.

    Presets that learn from classes leave out rows without one, and with `--rare skip` those of rare classes. Of rows
    held out, those beyond what a validation may rank are left out too.

    Args:
        rows: int64 `[n]` ascending, that may be trained on.
        names: str or None `[n]`, the class of each.
        spec: which preset, and how it splits.

    Raises:
        InvalidSpec: where there is nothing to learn from or to judge by; all problems at once.
    """
    codes, known = _codes(names)
    sizes = np.bincount(codes[codes >= 0], minlength=len(known))
    usable = _usable(codes, sizes, spec)
    held = _held(codes, usable, spec)
    found = _training_set(rows, codes, known, usable, held)
    if problems := [*_class_problems(known, sizes, spec), *_part_problems(found, spec)]:
        raise InvalidSpec(*problems)
    return _capped(found, spec)


def _codes(names: Strings) -> tuple[Rows, list[str]]:
    known = sorted({name for name in names if name is not None})
    number = {name: code for code, name in enumerate(known)}
    return np.array([UNLABELLED if name is None else number[name] for name in names], np.int64), known


def _learns_classes(spec: TrainSpec) -> bool:
    return isinstance(spec, PairSpec | ClassifierSpec)


def _min_images(spec: TrainSpec) -> int:
    """Return how many images of a class are needed to train on it."""
    return max(_MIN_IMAGES, spec.images_per_class) if isinstance(spec, PairSpec) else _MIN_IMAGES


def _usable(codes: Rows, sizes: Rows, spec: TrainSpec) -> Mask:
    if not isinstance(spec, PairSpec | ClassifierSpec):
        return np.ones(len(codes), bool)
    usable: Mask = codes >= 0
    if spec.rare == "skip":
        usable &= ~np.isin(codes, np.flatnonzero(sizes < _min_images(spec)))
    return usable


def _held(codes: Rows, usable: Mask, spec: TrainSpec) -> Mask:
    """Say which of the usable rows are held out, bool `[n]`."""
    rng = np.random.default_rng(spec.seed)
    if spec.split == "class":
        classes = np.unique(codes[usable & (codes >= 0)])
        n_kept = _MIN_CLASSES if _learns_classes(spec) else 1
        n_held = min(max(1, round(spec.validation_share * len(classes))), len(classes) - n_kept)
        return usable & np.isin(codes, rng.permutation(classes)[: max(0, n_held)])
    held = np.zeros(len(codes), bool)
    for places in _strata(codes, usable, spec):
        held[rng.permutation(places)[: _n_held(len(places), spec)]] = True
    return held


def _strata(codes: Rows, usable: Mask, spec: TrainSpec) -> list[Rows]:
    """Return the places whose images are held out in equal shares: those of each class, or all."""
    if not _learns_classes(spec):
        return [np.flatnonzero(usable)]
    places = np.flatnonzero(usable)
    order = places[np.argsort(codes[places], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def _n_held(n: int, spec: TrainSpec) -> int:
    """Return how many of `n` images are held out: of a class none, where too few would be left to train on."""
    wanted = round(spec.validation_share * n)
    if not _learns_classes(spec):
        return max(1, wanted)
    most = n - _min_images(spec)
    return min(max(_MIN_IMAGES, wanted), most) if most >= _MIN_IMAGES else 0


def _training_set(rows: Rows, codes: Rows, known: list[str], usable: Mask, held: Mask) -> TrainingSet:
    """Number the classes anew: those trained on first, then the others, each in the order of their names."""
    train = usable & ~held
    trained_on = np.unique(codes[train & (codes >= 0)])
    order = np.concatenate([trained_on, np.setdiff1d(codes[held & (codes >= 0)], trained_on)])
    number = np.full(len(known) + 1, UNLABELLED, np.int64)  # the last one is what code -1 takes
    number[order] = np.arange(len(order))
    return TrainingSet(
        rows=rows[train],
        classes=number[codes[train]],
        validation_rows=rows[held],
        validation_classes=number[codes[held]],
        left_out=rows[~usable],
        names=tuple(known[code] for code in order),
        n_classes=len(trained_on),
    )


def _capped(found: TrainingSet, spec: TrainSpec) -> TrainingSet:
    """Return the same with no more validation rows than a validation may rank; drawn, in ascending order."""
    n = len(found.validation_rows)
    if n <= spec.validation_images:
        return found
    drawn = np.sort(np.random.default_rng(spec.seed).permutation(n)[: spec.validation_images])
    return replace(
        found,
        validation_rows=found.validation_rows[drawn],
        validation_classes=found.validation_classes[drawn],
        left_out=np.union1d(found.left_out, np.delete(found.validation_rows, drawn)),
    )


def _class_problems(known: list[str], sizes: Rows, spec: TrainSpec) -> Iterator[str]:
    if not isinstance(spec, PairSpec | ClassifierSpec):
        return
    if not known:
        yield (
            "no labels: expected a class for each image, found none; make the manifest with --labels parent (folders "
            "are classes) or from a list with a label column, or train `autoencoder`, which needs none"
        )
    if len(known) == 1:
        yield f"one class: expected two or more, found {known[0]!r} alone; there is nothing to tell apart"
    rare = np.flatnonzero(sizes < _min_images(spec))
    if spec.rare == "fail" and len(rare):
        yield _rare_problem(known, sizes, rare, spec)
    if spec.rare == "skip" and len(known) - len(rare) < _MIN_CLASSES <= len(known):
        yield (
            f"--rare skip: expected {_MIN_CLASSES} classes of {_min_images(spec)} images or more to be left, "
            f"found {len(known) - len(rare)} of {len(known)}; add images"
        )


def _rare_problem(known: list[str], sizes: Rows, rare: Rows, spec: TrainSpec) -> str:
    named = ", ".join(f"{known[code]!r} ({sizes[code]})" for code in rare[:_NAMED]) + (", …" * (len(rare) > _NAMED))
    lower = f"lower --images-per-class to {sizes[rare].min()}, or " if sizes[rare].min() >= _MIN_IMAGES else ""
    return (
        f"{len(rare)} of {len(known)} classes have fewer than {_min_images(spec)} images: {named}; add images, {lower}"
        "leave them out by --rare skip"
    )


def _part_problems(found: TrainingSet, spec: TrainSpec) -> Iterator[str]:
    if _learns_classes(spec) and len(found.names) < _MIN_CLASSES:
        return  # which is said already
    if not len(found.validation_rows):
        yield _empty_validation(spec)
    if len(found.rows) < spec.batch_size:
        yield (
            f"--batch-size {spec.batch_size}: expected at most the {len(found.rows)} images that are trained on "
            f"({len(found.validation_rows)} are held out, {len(found.left_out)} left out); lower it"
        )


def _empty_validation(spec: TrainSpec) -> str:
    if spec.split == "class":
        return "empty validation: --split class holds out whole classes, and there are too few; use --split image"
    return (
        f"empty validation: --split image holds out {_MIN_IMAGES} images or more of a class and leaves "
        f"{_min_images(spec)} to train on, and no class has as many; add images, or use --split class"
    )

"""Presets: sound as they are, and what does not go together is said, all at once."""

from dataclasses import MISSING, fields, replace
from typing import Any, get_args

import pytest

from revsearch.errors import InvalidSpec
from revsearch.specs import problems, require_sound
from revsearch.train_specs import (
    PRESETS,
    AutoencoderSpec,
    ClassifierSpec,
    ContrastiveSpec,
    PairSpec,
    Preset,
    TrainSpec,
    TripletAutoencoderSpec,
    TripletSpec,
)

PAIRS = [spec for spec in PRESETS.values() if issubclass(spec, PairSpec)]
BOUNDS = [
    (spec, field.name, bound, field.metadata[bound])
    for spec in PRESETS.values()
    for field in fields(spec)
    for bound in ("at_least", "at_most")
    if field.metadata[bound] is not None
]


def test_every_preset_has_its_spec() -> None:
    assert tuple(PRESETS) == get_args(Preset)
    assert all(spec.preset == preset for preset, spec in PRESETS.items())


@pytest.mark.parametrize("spec", PRESETS.values(), ids=list(PRESETS))
def test_defaults_are_sound_and_every_field_says_what_it_is(spec: type[TrainSpec]) -> None:
    require_sound(spec("manifest/x"))
    assert spec.__doc__
    for field in fields(spec):
        assert field.metadata["help"]
        assert (field.default is MISSING) == (field.name == "manifest")


@pytest.mark.parametrize("spec", PRESETS.values(), ids=list(PRESETS))
def test_short_options_are_there_once(spec: type[TrainSpec]) -> None:
    short = {field.metadata["short"]: field.name for field in fields(spec) if field.metadata["short"]}
    assert short == {"e": "epochs", "bs": "batch_size"}


@pytest.mark.parametrize(("spec", "name", "bound", "limit"), BOUNDS)
def test_what_lies_beyond_a_bound_is_said(spec: type[TrainSpec], name: str, bound: str, limit: Any) -> None:
    sound, flag = spec("manifest/x"), f"--{name.replace('_', '-')}: expected {bound.replace('_', ' ')}"
    assert not [each for each in problems(replace(sound, **{name: limit})) if each.startswith(flag)]
    beyond = limit - 1 if bound == "at_least" else limit + 1
    assert f"{flag} {limit}, found {beyond}" in problems(replace(sound, **{name: beyond}))


FROZEN = "--trainable-blocks 0: a frozen backbone without a head has nothing to learn; add --head linear"
SHARES = "--interpolate: expected shares above 0 and up to 1, found"
NO_SHARES = "--interpolate: expected at least one share, 1 for the trained weights themselves; found none"
SEMIHARD = "--margin 0: semi-hard triplets lie within the margin, so there are none; raise it or leave it out"
MULTIPLE = "--batch-size: expected a multiple of --images-per-class 5, found 12"
TWO = "--batch-size: expected at least two classes of --images-per-class 5, found 5"

CONFLICTS: list[tuple[type[TrainSpec], dict[str, Any], list[str]]] = [
    (AutoencoderSpec, {"batch_size": 7}, []),
    *((spec, {"batch_size": 12}, [MULTIPLE]) for spec in PAIRS),
    *((spec, {"batch_size": 5}, [TWO]) for spec in PAIRS),
    *((spec, {"batch_size": 10}, []) for spec in PAIRS),
    (ClassifierSpec, {"batch_size": 7}, []),
    *((spec, {"interpolate": ()}, [NO_SHARES]) for spec in (TripletSpec, ContrastiveSpec, ClassifierSpec)),
    (TripletSpec, {"interpolate": (0.0, 0.5, 1.5)}, [f"{SHARES} 0", f"{SHARES} 1.5"]),
    (ContrastiveSpec, {"interpolate": (float("nan"),)}, [f"{SHARES} nan"]),
    (ClassifierSpec, {"interpolate": (-0.5, 1.0)}, [f"{SHARES} -0.5"]),
    *((spec, {"trainable_blocks": 0}, [FROZEN]) for spec in (TripletSpec, ContrastiveSpec, ClassifierSpec)),
    (TripletSpec, {"trainable_blocks": 0, "head": "linear"}, []),
    (TripletSpec, {"miner": "semihard", "margin": 0.0}, [SEMIHARD]),
    (TripletSpec, {"miner": "semihard"}, []),
    (TripletSpec, {"miner": "hard", "margin": 0.0}, []),
    (TripletAutoencoderSpec, {"margin": 0.0}, [SEMIHARD]),
    (TripletAutoencoderSpec, {"margin": 0.0, "miner": "all"}, []),
    (TripletSpec, {"loss": "arcface", "margin": 0.2}, ["--margin: belongs to --loss triplet, found --loss arcface"]),
    (TripletSpec, {"loss": "nt-xent"}, []),
    *(
        (
            ContrastiveSpec,
            {"positive_margin": 1.0, "negative_margin": negative},
            [f"--negative-margin: expected more than --positive-margin 1, found {negative:g}"],
        )
        for negative in (0.5, 1.0)
    ),
    (ContrastiveSpec, {"positive_margin": 0.9}, []),
]


@pytest.mark.parametrize(
    ("spec", "asked", "told"), CONFLICTS, ids=[f"{case[0].preset}-{case[1]}" for case in CONFLICTS]
)
def test_conflicts(spec: type[TrainSpec], asked: dict[str, Any], told: list[str]) -> None:
    assert problems(spec("manifest/x", **asked)) == told


def test_all_problems_are_told_at_once() -> None:
    spec = TripletSpec(
        "manifest/x", epochs=0, batch_size=12, interpolate=(2.0,), trainable_blocks=0, loss="arcface", margin=0.1
    )
    with pytest.raises(InvalidSpec) as refused:
        require_sound(spec)
    flags = [problem.partition(":")[0] for problem in refused.value.problems]
    assert flags == ["--epochs", "--interpolate", "--trainable-blocks 0", "--batch-size", "--margin"]


@pytest.mark.parametrize(("encoder", "scratch"), [("cnn", True), ("resnet50:IMAGENET1K_V2", False)])
def test_a_classifier_is_from_scratch_unless_it_starts_from_something(encoder: str, *, scratch: bool) -> None:
    assert ClassifierSpec("manifest/x", encoder=encoder).from_scratch is scratch

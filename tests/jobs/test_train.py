"""The command line of `train`; the stage in its place is a stand-in that keeps what it is given."""

import json
import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from revsearch.errors import TrainingCollapsed
from revsearch.specs import Plan, Resources
from revsearch.storage.artifact import Artifact
from revsearch.storage.card import Card, Counts, Part
from revsearch.train_specs import PRESETS, AutoencoderSpec, ClassifierSpec, TrainSpec, TripletSpec

METRIC = {"value": 0.75, "low": 0.5, "high": 1.0, "n": 8, "source": "exact"}
METRICS = {"hit_rate_at_1": METRIC, "hit_rate_at_1_of_start": METRIC, "ap_plain": METRIC, "ap_plain_of_start": METRIC}
PAGE = Part(f"report-{'0' * 64}.html", 1, "0" * 64)
CARD = Card("encoder", "0123456789ab", {}, {}, Counts(10, 9, {"empty": 1}), (PAGE,), facts={"metrics": METRICS})


@dataclass
class Stage:
    """What the stage was asked for, and what it does."""

    asked: list[tuple[TrainSpec, Resources]] = field(default_factory=list)
    error: Exception | None = None

    def train(self, spec: TrainSpec, store: Any, resources: Resources) -> Artifact:
        self.asked.append((spec, resources))
        if self.error is not None:
            raise self.error
        return Artifact(CARD, "store/encoder/0123456789ab", fresh=True)

    def plan_train(self, spec: TrainSpec, store: Any, resources: Resources) -> Plan:
        self.asked.append((spec, resources))
        return Plan(10, None, 1000, resources, "9 images of 3 classes")


@pytest.fixture
def stage(monkeypatch) -> Stage:
    stage, module = Stage(), ModuleType("revsearch.stages.train")
    module.train, module.plan_train = stage.train, stage.plan_train
    monkeypatch.setitem(sys.modules, "revsearch.stages.train", module)
    return stage


@pytest.fixture
def train(revsearch, stage, tmp_path):
    """Run `train` against the stand-in, on a store of its own."""
    return lambda *arguments: revsearch("train", *arguments, "--store", tmp_path, "--max-reject-rate", "0.1")


def test_the_encoder_its_figures_and_its_page(train):
    told = train("triplet", "--manifest", "m")
    assert (told.code, told.out) == (0, "encoder/0123456789ab\n")
    assert "hit_rate_at_1: 0.7500 (0.5000 to 1.0000)" in told.err
    assert "ap_plain_of_start: 0.7500" in told.err
    assert f"report: store/encoder/0123456789ab/{PAGE.name}" in told.err


def test_json(train):
    told = train("triplet", "--manifest", "m", "--json").json
    assert (told["command"], told["kind"], told["artifact"]) == ("train", "encoder", "encoder/0123456789ab")
    assert told["metrics"] == METRICS
    assert told["paths"]["report"].endswith(PAGE.name)
    assert told["counts"] == {"in": 10, "ok": 9, "rejected": {"empty": 1}, "ignored": 0}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_its_own_spec_with_its_own_defaults(train, stage, preset):
    assert train(preset, "--manifest", "m").code == 0
    assert stage.asked == [(PRESETS[preset]("m"), Resources())]


def test_short_and_long_options(train, stage):
    assert train("triplet", "-e", "5", "-bs=30", "--manifest", "m", "--interpolate", "1", "--never", "a", "b").code == 0
    ((spec, resources),) = stage.asked
    assert spec == TripletSpec("m", epochs=5, batch_size=30, interpolate=(1.0,), never=("a", "b"))
    assert resources.batch_size == Resources().batch_size


def test_the_profile_has_no_say_in_what_is_learned(train, stage):
    assert train("classifier", "--manifest", "m", "--profile", "cluster", "--workers", "2").code == 0
    ((spec, resources),) = stage.asked
    assert spec == ClassifierSpec("m")
    assert (resources.workers, resources.batch_size) == (2, 128)


def test_tables_of_a_config_file(train, stage, tmp_path):
    config = tmp_path / "revsearch.toml"
    config.write_text(
        "[train]\nepochs = 3\nseed = 1\n[train.autoencoder]\nseed = 2\ndim = 16\n[train.triplet]\nmargin = 1\n"
    )
    assert train("autoencoder", "--manifest", "m", "--config", config).code == 0
    assert stage.asked[0][0] == AutoencoderSpec("m", epochs=3, seed=2, dim=16)


def test_dry_run_plans(train, stage):
    told = train("triplet", "--manifest", "m", "--dry-run")
    assert (told.code, told.out.splitlines()[0]) == (0, "rows: 10")
    assert "note: 9 images of 3 classes" in told.out


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        (["tripelt", "--manifest", "m"], ["did you mean triplet?"]),
        ([], ["expected a preset first", "found '--store'"]),
        (["triplet", "-e=0"], ["--manifest: required", "--epochs: expected at least 1, found 0"]),
        (["triplet", "--manifest", "m", "-bs", "33"], ["--batch-size: expected a multiple of --images-per-class 5"]),
        (["triplet", "--manifest", "m", "--los", "arcface"], ["unknown option --los; did you mean --loss?"]),
        (["autoencoder", "--manifest", "m", "--margin", "1"], ["unknown option --margin"]),
        (["classifier", "--manifest", "m", "--lr", "nan"], ["--lr: expected a number, found 'nan'"]),
    ],
)
def test_what_is_wrong_is_told_before_the_stage_is_asked(train, stage, arguments, problems):
    told = train(*arguments)
    assert (told.code, told.out, stage.asked) == (2, "", [])
    for problem in problems:
        assert problem in told.err


def test_a_collapse_ends_with_4_and_no_artifact(train, stage):
    stage.error = TrainingCollapsed("expected embeddings that differ, found a spread of 0.0001; lower --lr")
    told = train("triplet", "--manifest", "m", "--json")
    assert told.code == 4
    assert json.loads(told.out)["artifact"] is None
    assert told.err.splitlines()[-1] == "revsearch: exit=4 reason=collapsed"


def test_too_many_rejects_is_a_verdict(revsearch, stage, tmp_path):
    told = revsearch("train", "triplet", "--manifest", "m", "--store", tmp_path)
    assert (told.code, told.last) == (3, "encoder/0123456789ab")

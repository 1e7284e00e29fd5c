"""The card's facts and the page of a run told by hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revsearch.evaluation import MetricValue
from revsearch.rejects import Reason, Reject
from revsearch.render.report import RejectRow, StageTimeline
from revsearch.render.training_page import render_training
from revsearch.render.training_report import Triplet, View
from revsearch.space import EmbeddingSpace
from revsearch.stages.train_report import Told, build_training_report
from revsearch.stages.train_work import Shown, TrainOutcome
from revsearch.storage.artifact import Draft
from revsearch.storage.local import LocalStore
from revsearch.storage.manifests import StoredManifest
from revsearch.timeline import Span, Timeline
from revsearch.training import EpochRecord, Health, History, Validation
from revsearch.training_set import TrainingSet

N = 10  # of 12 rows two are rejected
LABELS = ["cat"] * 5 + ["dog"] * 4 + [None]
START = {"hit_rate_at_1": MetricValue(0.5, 0.4, 0.6, 4, "exact"), "ap_plain": MetricValue(0.3, 0.2, 0.4, 4, "exact")}
BEST = {"hit_rate_at_1": MetricValue(0.75, 0.6, 0.9, 4, "exact"), "ap_plain": MetricValue(0.6, 0.5, 0.7, 4, "exact")}
HISTORY = History(
    Validation(0, 1.0, {"hit_rate_at_1": 0.5, "ap_plain": 0.3}, 0.3),
    (
        EpochRecord(
            epoch=1,
            step=7,
            loss=0.5,
            parts={"triplet": 0.5},
            lr=1e-4,
            gradient_norm=1.0,
            seconds=2.0,
            n_images=70,
            health=Health(0.9),
            validations=(Validation(1, 0.5, {"hit_rate_at_1": 0.75, "ap_plain": 0.6}, 0.6),),
        ),
    ),
    (0.6,) * 7,
)
TIMELINE = Timeline.of([Span(100.0, 104.0, {"scan": 1.0, "step": 2.0})])
REJECTS = [Reject(f"{n}.png", "", "scan", Reason.TRUNCATED, "cut") for n in (10, 11)]
SHOWN = Shown(5, [(0, 0.9), (6, 0.8), (9, 0.7)], [(6, 0.95), (7, 0.9), (0, 0.1)], frozenset({5, 6, 7}))


def view(row: int) -> View:
    return View(f"{row}.png", "cat", np.full((8, 8, 3), 20 * row, np.uint8))


@pytest.fixture
def stored(
    tmp_path: Path,
    store: LocalStore,
    by_hand: Any,
    make_picture: Callable[..., bytes],
    write_files: Callable[..., Path],
) -> StoredManifest:
    files = {f"{number}.png": make_picture(number) for number in range(N)}
    root = write_files(tmp_path / "in", files)
    return StoredManifest(store, by_hand.manifest(list(files), root=root, roles="train", labels=LABELS))


@pytest.fixture
def told(store: LocalStore, stored: StoredManifest, make_space: Callable[..., EmbeddingSpace]) -> Told:
    asked = {"preset": "triplet", "manifest": str(stored.artifact), "seed": 0, "margin": None, "never": [], "flip": 0.5}
    draft = Draft(store, "encoder", "0123456789ab", asked, {})
    weights = draft.put("weights", ".safetensors", b"weights")
    rows = TrainingSet(
        rows=np.array([0, 1, 2, 3]),
        classes=np.array([0, 0, 0, 0]),
        validation_rows=np.array([5, 6, 7, 8]),
        validation_classes=np.array([1, 1, 1, 1]),
        left_out=np.array([4, 9]),
        names=("cat", "dog"),
        n_classes=1,
    )
    outcome = TrainOutcome(
        weights=weights,
        history=HISTORY,
        pictures={},
        before=START,
        after=BEST,
        shown=[SHOWN],
        triplets=[Triplet(view(0), view(1), view(5))],
    )
    space = replace(make_space(2), weights=f"sha256:{weights.sha256}")
    return Told(stored, draft, rows, outcome, REJECTS, space, TIMELINE)


def changed(told: Told, **outcome: Any) -> Told:
    return replace(told, outcome=replace(told.outcome, **outcome))


def test_facts_are_what_the_next_stage_needs(told: Told, stored: StoredManifest) -> None:
    facts = told.facts()
    assert EmbeddingSpace.from_dict(facts.pop("space")) == told.space  # type: ignore[arg-type]  # of what is read back
    assert facts.pop("metrics")
    assert facts == {
        "space_fingerprint": told.space.fingerprint,
        "preset": "triplet",
        "training_manifest": str(stored.artifact),
        "roles": ["train"],
        "n_trained": 4,
        "n_validation": 4,
        "n_left_out": 2,
        "n_classes": 1,
        "n_substituted": 0,
        "validation": {"hit_rate_at_1": 0.75, "ap_plain": 0.6},
        "validation_of_start": {"hit_rate_at_1": 0.5, "ap_plain": 0.3},
        "epochs": 1,
        "steps": 7,
        "best_epoch": 1,
        "best_share": 0.5,
    }


def test_facts_of_a_run_that_ended_where_it_began(told: Told) -> None:
    facts = changed(told, history=History(HISTORY.start)).facts()
    assert [facts[name] for name in ("epochs", "steps", "best_epoch", "best_share")] == [0, 0, 0, 1.0]


def test_figures_of_the_start_stand_beside_the_others(told: Told) -> None:
    assert told.metrics() == {
        **BEST,
        "hit_rate_at_1_of_start": START["hit_rate_at_1"],
        "ap_plain_of_start": START["ap_plain"],
    }
    assert list(told.metrics())[:2] == list(BEST)
    metrics: Any = told.facts()["metrics"]
    assert metrics["ap_plain_of_start"] == {"value": 0.3, "low": 0.2, "high": 0.4, "n": 4, "source": "exact"}


def test_a_run_without_classes_has_no_figures(told: Told) -> None:
    unjudged = changed(told, before={}, after={}, triplets=[], shown=[])
    assert unjudged.facts()["metrics"] == {}
    report = build_training_report(unjudged)
    assert (report.metrics, report.triplets, report.neighbours) == ((), (), ())


@pytest.mark.parametrize("role", ["train", "gallery"])
def test_roles_are_those_of_the_rows(told: Told, store: LocalStore, by_hand: Any, role: str) -> None:
    roles = [role] * 9 + ["query"]
    stored = StoredManifest(store, by_hand.manifest([f"{n}.png" for n in range(N)], roles=roles))
    assert replace(told, manifest=stored).roles == [role]


def test_every_row_is_counted_once(told: Told) -> None:
    summary = build_training_report(told).summary
    assert (summary.n_in, summary.n_ok, summary.n_rejected) == (12, 10, 2)
    assert summary.roles == {"trained on": 4, "validation": 4, "left out": 2}
    assert sum(summary.roles.values()) == summary.n_ok


def test_neighbours_are_judged(told: Told) -> None:
    (shown,) = build_training_report(told).neighbours
    assert (shown.query.id, shown.query.label, shown.query.score) == ("5.png", "dog", None)
    before, after = (
        [(tile.id, tile.label, tile.score, tile.verdict) for tile in tiles] for tiles in (shown.before, shown.after)
    )
    assert before == [
        ("0.png", "cat", 0.9, "wrong"),
        ("6.png", "dog", 0.8, "relevant"),
        ("9.png", None, 0.7, "wrong"),
    ]
    assert after == [
        ("6.png", "dog", 0.95, "relevant"),
        ("7.png", "dog", 0.9, "relevant"),
        ("0.png", "cat", 0.1, "wrong"),
    ]
    assert all(tile.thumbnail for tile in (shown.query, *shown.before, *shown.after))


def test_without_truth_neighbours_are_not_judged(told: Told) -> None:
    unknown = changed(told, shown=[replace(SHOWN, relevant=frozenset())])
    (shown,) = build_training_report(unknown).neighbours
    assert {tile.verdict for tile in (*shown.before, *shown.after)} == {"unknown"}


def test_pictures_that_are_gone_cost_a_thumbnail_alone(told: Told, tmp_path: Path) -> None:
    (tmp_path / "in" / "6.png").unlink()
    (shown,) = build_training_report(told).neighbours
    assert [tile.id for tile in shown.before if tile.thumbnail is None] == ["6.png"]


def test_what_else_the_page_is_given(told: Told, stored: StoredManifest) -> None:
    report = build_training_report(told)
    assert report.subtitle == "triplet · encoder/0123456789ab"
    assert report.history == HISTORY
    assert [(each.name, each.value, each.n) for each in report.metrics] == [
        ("hit_rate_at_1", 0.75, 4),
        ("ap_plain", 0.6, 4),
    ]
    assert report.rejects == (RejectRow("truncated", 2, (("10.png", "cut"), ("11.png", "cut"))),)
    assert report.seconds == {"train": {"scan": 1.0, "step": 2.0}}
    assert report.timelines == (StageTimeline("train", TIMELINE),)
    assert report.provenance["training"] == {
        "preset": "triplet",
        "manifest": str(stored.artifact),
        "seed": "0",
        "flip": "0.5",
    }
    assert report.provenance["encoder"]["weights"] == told.space.weights
    assert report.reconstructions is None


def test_reconstructions_are_read_from_their_part(told: Told) -> None:
    part = told.draft.put("reconstructions", ".png", b"a strip")
    assert build_training_report(changed(told, pictures={"reconstructions": part})).reconstructions == b"a strip"


def test_the_page_can_be_drawn(told: Told) -> None:
    alone = Shown(8, [], [], frozenset())  # as vectors without a direction have no neighbours
    html = render_training(build_training_report(changed(told, shown=[SHOWN, alone])))
    for said in ("Training report", "0.750", "5.png", "8.png", "truncated", "0123456789ab"):
        assert said in html

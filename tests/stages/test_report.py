"""What the page is given: no Ray."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from revsearch.errors import CorruptArtifact
from revsearch.evaluation import Evaluation, MetricValue
from revsearch.render.report import Report
from revsearch.score_histogram import ScoreCounts
from revsearch.specs import EvaluateSpec
from revsearch.stages.judging import ShownPlace, ShownQuery
from revsearch.stages.report import Findings, build_report
from revsearch.storage.artifact import Artifact
from revsearch.storage.local import LocalStore
from revsearch.storage.manifests import note_roots

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def plain(colour: tuple[int, int, int]) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(data, "PNG")
    return data.getvalue()


def colour_of(thumbnail: bytes | None) -> tuple[int, ...]:
    """The corner of a channel cube that a thumbnail's mean lies nearest to."""
    assert thumbnail is not None
    mean = np.asarray(Image.open(io.BytesIO(thumbnail)).convert("RGB")).mean(axis=(0, 1))
    return tuple(255 if channel > 127 else 0 for channel in mean)


def shown(id: str, *places: str) -> ShownQuery:
    return ShownQuery(id, None, [ShownPlace(place, "label", 0.5, "relevant", 1) for place in places])


class Made:
    """A gallery and queries in manifests of their own that have an id in common, and the report on them."""

    def __init__(self, store: LocalStore, by_hand: Any, gallery: Path, queries: Path) -> None:
        self.store = store
        vectors = np.array([[1, 0], [0, 1], [np.nan, 0]], np.float32)
        one = by_hand.manifest(["same.png", "other.png", "third.png"], contents="sot", labels="xyz")
        two = by_hand.manifest(["same.png"], contents="q", roles="query", labels="x")
        self.galleries = by_hand.embeddings(one, vectors)
        self.index: Artifact = by_hand.index(self.galleries)
        self.rankings: Artifact = by_hand.rankings(self.index, by_hand.embeddings(two, vectors[:1]), k=2)
        self.manifests = [one, two]
        note_roots(store, one.id, {"": str(gallery)})
        note_roots(store, two.id, {"": str(queries)})

    def report(self, findings: Findings, **spec: Any) -> Report:
        asked = EvaluateSpec(str(self.rankings), **spec)
        return build_report(self.store, self.rankings, self.index, findings, asked)


@pytest.fixture
def made(store: LocalStore, by_hand: Any, tmp_path: Path, write_files: Callable[..., Path]) -> Made:
    gallery = write_files(tmp_path / "gallery", {"same.png": plain(RED), "other.png": plain(BLUE)})
    queries = write_files(tmp_path / "queries", {"same.png": plain(GREEN)})
    return Made(store, by_hand, gallery, queries)


NOTHING = Evaluation({}, counts={"n_queries": 0})


def test_each_side_shows_its_own_pictures(made: Made) -> None:
    (sheet,) = made.report(Findings("competition", NOTHING, [shown("same.png", "same.png", "other.png")])).sheets
    assert colour_of(sheet.query.thumbnail) == GREEN
    assert [colour_of(tile.thumbnail) for tile in sheet.neighbours] == [RED, BLUE]
    assert [(tile.id, tile.label, tile.score, tile.verdict, tile.n_same) for tile in sheet.neighbours] == [
        ("same.png", "label", 0.5, "relevant", 1),
        ("other.png", "label", 0.5, "relevant", 1),
    ]


def test_a_picture_that_is_gone_is_a_tile_without_one(made: Made, tmp_path: Path) -> None:
    (tmp_path / "gallery/other.png").unlink()
    (sheet,) = made.report(Findings("competition", NOTHING, [shown("same.png", "other.png")])).sheets
    assert (sheet.query.thumbnail is None, sheet.neighbours[0].thumbnail) == (False, None)


def test_images_are_accounted_for(made: Made) -> None:
    report = made.report(Findings("competition", NOTHING, [shown("same.png")]))
    assert (report.summary.n_in, report.summary.n_ok, report.summary.n_rejected) == (4, 3, 1)
    assert report.summary.roles == {"gallery": 3, "query": 1}
    ((reason, count, ((id, message),)),) = [(row.reason, row.count, row.examples) for row in report.rejects]
    assert (reason, count, id, message) == ("not_finite", 1, "third.png", "made so")


def test_counts_become_sentences(made: Made) -> None:
    counted = Evaluation({}, counts={"n_queries": 0, "n_empty_queries": 3, "n_queries_with_twin": 2})
    notes = made.report(Findings("competition", counted, [])).summary.notes
    assert "queries without a relevant image in the gallery, not averaged: 3" in notes
    assert "queries with a byte-identical image in the gallery: 2" in notes
    assert not any("rejected" in note for note in notes)


def test_timelines_are_those_of_the_cards_that_keep_one(made: Made) -> None:
    found = made.report(Findings("competition", NOTHING, [])).timelines
    assert [each.name for each in found] == ["build-index", "rank"], "the others were committed by hand, as long ago"
    for each, artifact in zip(found, (made.index, made.rankings), strict=True):
        assert each.timeline.seconds() == pytest.approx(artifact.card.seconds, abs=0.05)


def test_a_stage_whose_timeline_is_none_is_corrupt(made: Made) -> None:
    card = replace(made.index.card, facts={**made.index.card.facts, "timeline": {"began": "yesterday"}})
    made.index = replace(made.index, card=card)
    with pytest.raises(CorruptArtifact, match=str(made.index)):
        made.report(Findings("competition", NOTHING, []))


def test_where_it_comes_from(made: Made) -> None:
    found = made.report(Findings("competition", NOTHING, []), twins="junk").provenance
    assert found["artifacts"]["manifest"] == ", ".join(map(str, made.manifests))
    assert found["artifacts"]["index"] == str(made.index)
    assert found["artifacts"]["rankings"] == str(made.rankings)
    assert found["encoder"]["name"] == "by-hand"
    assert found["search"]["index"] == "exact, 2 vectors, cosine"
    assert found["search"]["ef"] == "exact search"
    assert found["evaluation"]["byte-identical images"] == "taken out of the ranking"
    assert "numpy" in found["versions"]


def test_a_truth_file_is_named_without_its_folder(made: Made) -> None:
    found = made.report(Findings("competition", NOTHING, []), truth="/home/somebody/secret/truth.csv").provenance
    assert found["evaluation"]["relevant"] == "as truth.csv says"


def test_figures_head_the_page_in_order(made: Made) -> None:
    names = ["precision_at_1", "ap_plain", "hit_rate_at_1", "ns4_self_in"]
    values = {name: MetricValue(0.25, 0.1, 0.5, 7, "exact") for name in names}
    evaluation = Evaluation(values, {"x": values}, {}, dict.fromkeys(names, "said"))
    report = made.report(
        Findings("ukbench", evaluation, [], worst=[shown("same.png")], worst_ap=[0.125], hit_curve=[0.5, 1.0])
    )
    assert [metric.name for metric in report.metrics] == ["ns4_self_in", "hit_rate_at_1", "ap_plain", "precision_at_1"]
    assert [metric.best for metric in report.metrics] == [4.0, 1.0, 1.0, 1.0]
    assert report.classes is not None
    assert (report.classes.columns, report.classes.rows[0].label) == (("hit_rate_at_1", "ap_plain"), "x")
    assert report.worst[0].note == "AP 0.125"
    assert report.hit_curve is not None
    assert (report.hit_curve.ks, report.hit_curve.values) == ((1, 2), (0.5, 1.0))


def test_empty_ends_of_the_histogram_are_cut(made: Made) -> None:
    counts = ScoreCounts(np.linspace(0, 1, 6), np.array([0, 2, 0, 1, 0]), np.array([0, 0, 0, 1, 0]))
    found = made.report(Findings("competition", NOTHING, [], histogram=counts)).histogram
    assert found is not None
    assert found.edges == pytest.approx((0.2, 0.4, 0.6, 0.8))
    assert {found.others, found.matches} == {(2, 0, 1), (0, 0, 1)}

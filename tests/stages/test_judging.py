"""Queries judged in one worker: no Ray."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from revsearch.errors import InvalidSpec
from revsearch.stages.judging import Case, Judge
from revsearch.storage.artifact import Artifact
from revsearch.storage.local import LocalStore
from revsearch.truth import Truth

# Along a line, so that l2 ranks by the difference of the numbers: a query's list can be read off.
AT = {"g0": 0.0, "g1": 1.0, "g1-copy": 1.0, "g3": 3.0, "g7": 7.0, "d2": 2.0, "q1": 1.1, "q6": 6.0}
ROLES = {"g": "gallery", "d": "distractor", "q": "query"}
LABELS = {"g0": "x", "g1": "y", "g1-copy": "y", "g3": "x", "g7": "z", "d2": None, "q1": "x", "q6": "y"}


@pytest.fixture
def make_judge(store: LocalStore, by_hand: Any) -> Callable[..., Judge]:
    def make_judge(*, labelled: bool = True, k: int = 5, **options: Any) -> Judge:
        ids = list(AT)
        manifest = by_hand.manifest(
            ids,
            contents=["g1" if id == "g1-copy" else id for id in ids],
            roles=[ROLES[id[0]] for id in ids],
            labels=[LABELS[id] for id in ids] if labelled else None,
        )
        embedded = by_hand.embeddings(manifest, np.array([[at, 1.0] for at in AT.values()], np.float32))
        rankings = by_hand.rankings(by_hand.index(embedded, metric="l2"), embedded, k=k)
        return Judge(case(store, rankings, embedded, **options))

    return make_judge


def case(store: LocalStore, rankings: Artifact, queries: Artifact, *galleries: Artifact, **options: Any) -> Case:
    names = [str(gallery) for gallery in galleries or (queries,)]
    given = {"metric": "l2", "protocol": "auto", "twins": "keep", "truth": None}
    return Case(store=store, rankings=str(rankings), queries=str(queries), galleries=names, **{**given, **options})


def test_both_sides(make_judge: Callable[..., Judge]) -> None:
    judge = make_judge()
    assert judge.queries.rows.ids.tolist() == ["q1", "q6"]
    assert judge.gallery.rows.ids.tolist() == ["d2", "g0", "g1", "g1-copy", "g3", "g7"]  # by id
    assert judge.gallery.vectors[:, 0].tolist() == [2, 0, 1, 1, 3, 7]
    assert judge.protocol.name == "competition"


def test_lists_are_judged_place_by_place(make_judge: Callable[..., Judge]) -> None:
    first, second = make_judge().shown(np.array([0, 1]))
    assert (first.id, first.label) == ("q1", "x")
    assert [(place.id, place.verdict, place.n_same) for place in first.places] == [
        ("g1", "wrong", 1),  # and its copy, shown once
        ("d2", "wrong", 0),
        ("g0", "relevant", 0),
        ("g3", "relevant", 0),
    ]
    assert [place.id for place in second.places] == ["g7", "g3", "d2", "g1"]
    assert [place.score for place in second.places] == pytest.approx([-1, -3, -4, -5], abs=1e-6)


def test_junk_is_shown_as_such(make_judge: Callable[..., Judge]) -> None:
    truth = {"q1": Truth(("g3",), junk=("g1",)), "q6": Truth(("g7",))}
    (shown,) = make_judge(truth=truth).shown(np.array([0]))
    assert [place.verdict for place in shown.places] == ["junk", "wrong", "wrong", "relevant"]


def test_without_labels_nothing_is_known(make_judge: Callable[..., Judge]) -> None:
    judge = make_judge(labelled=False)
    assert judge.relevance is None
    assert {place.verdict for query in judge.shown(np.array([0, 1])) for place in query.places} == {"unknown"}
    with pytest.raises(InvalidSpec, match="expected labels, groups or a truth file"):
        judge.blocks()


def test_figures_of_each_query(make_judge: Callable[..., Judge]) -> None:
    judge, both = make_judge(), np.array([0, 1])
    (rows,) = judge.blocks()
    assert rows.tolist() == [0, 1]
    # q1: g1 g1-copy d2 | g0 | g3 g7, x at places 4 and 5; q6: g7 g3 d2 | g1 g1-copy | g0, y at 4 and 5
    assert judge.exact_figures(both)["ap_plain"].tolist() == pytest.approx([(1 / 4 + 2 / 5) / 2] * 2)
    assert judge.served_figures(both)["precision_at_5"].tolist() == pytest.approx([2 / 5, 2 / 5])
    assert judge.hit_curve(both) == [0, 0, 0, 1, 1]


def test_figures_are_no_deeper_than_the_lists(make_judge: Callable[..., Judge]) -> None:
    judge = make_judge(k=3)
    assert judge.served.depth == 3
    assert {"hit_rate_at_3", "recall_at_3", "ap_at_3"} <= judge.served_figures(np.array([0])).keys()
    assert "hit_rate_at_5" not in judge.served_figures(np.array([0]))
    assert "ap_plain" in judge.exact_figures(np.array([0]))


def test_lists_longer_than_the_gallery_are_whole(make_judge: Callable[..., Judge]) -> None:
    judge = make_judge(k=50)
    assert judge.served.depth == 6
    assert judge.served_figures(np.array([0]))["recall_at_6"].tolist() == [1.0]


def test_twins_as_junk(make_judge: Callable[..., Judge], store: LocalStore, by_hand: Any) -> None:
    manifest = by_hand.manifest(["a", "a-copy", "b"], contents="aab", labels=["x", "x", "x"])
    embedded = by_hand.embeddings(manifest, np.array([[1, 0], [1, 0], [0, 1]], np.float32))
    rankings = by_hand.rankings(by_hand.index(embedded), embedded)
    keep, junk = (Judge(case(store, rankings, embedded, metric="cosine", twins=twins)) for twins in ("keep", "junk"))
    assert keep.relevance is not None
    assert junk.relevance is not None
    assert keep.relevance.n_relevant().tolist() == [2, 2, 2]
    assert junk.relevance.n_relevant().tolist() == [1, 1, 2]
    assert keep.relevance.n_queries_with(keep.twins) == 2


def test_the_histogram_counts_every_pair(make_judge: Callable[..., Judge]) -> None:
    counted = make_judge().histogram(np.array([0, 1]))
    assert (int(counted.matches.sum()), int(counted.others.sum())) == (4, 8)


def test_the_same_id_in_another_manifest_is_not_the_query_itself(store: LocalStore, by_hand: Any) -> None:
    gallery = by_hand.embeddings(by_hand.manifest(["a", "b"], labels="xx"), np.eye(2, dtype=np.float32))
    queries = by_hand.embeddings(
        by_hand.manifest(["a"], contents=["other"], labels="x", roles="query"), np.eye(2, dtype=np.float32)[:1]
    )
    judge = Judge(case(store, by_hand.rankings(by_hand.index(gallery), queries), queries, gallery, metric="cosine"))
    assert judge.protocol.name == "competition"
    assert judge.relevance is not None
    assert judge.relevance.n_relevant().tolist() == [2]


@pytest.mark.parametrize(
    ("protocol", "labelled", "match"),
    [
        ("competition", False, "expected labels or groups of queries and gallery, found none"),
        ("all-vs-all", False, "expected labels or groups"),
        ("ukbench", True, "expected every query to be a gallery image itself, found 2 that are not"),
    ],
)
def test_what_a_protocol_lacks(make_judge: Callable[..., Judge], protocol: str, match: str, *, labelled: bool) -> None:
    with pytest.raises(InvalidSpec, match=f"--protocol {protocol}: {match}"):
        _ = make_judge(protocol=protocol, labelled=labelled).relevance

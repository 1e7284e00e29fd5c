"""Which of the images of an evaluation its encoder was trained on, counted by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from revsearch.errors import InvalidSpec
from revsearch.specs import EvaluateSpec, Resources
from revsearch.stages.evaluate import evaluate, plan_evaluate
from revsearch.stages.gallery import IndexFacts
from revsearch.stages.judged import Judged
from revsearch.stages.lineage import trained_on
from revsearch.storage.artifact import Artifact, load
from revsearch.storage.local import LocalStore

HERE = Resources()
IDS = "abcdefgh"
ROLES = ["gallery"] * 4 + ["query"] * 2 + ["distractor", "train"]
LABELS = ["x", "y", "x", "y", "x", "y", None, "x"]
Make = Callable[..., Artifact]


@pytest.fixture
def ranked(by_hand: Any) -> Make:
    """Rankings of a manifest by an encoder trained on one with those bytes; or by one that was not trained here."""

    def ranked(trained: str | None, **options: Any) -> Artifact:
        manifest = by_hand.manifest(IDS, roles=ROLES, labels=LABELS)
        space = None
        if trained is not None:
            ids = [f"own-{number}" for number in range(len(trained))]
            space = by_hand.encoder(by_hand.manifest(ids, contents=trained, roles="train"), "train", **options)
        vectors = np.random.default_rng(0).normal(size=(len(IDS), 2)).astype(np.float32)
        embedded = by_hand.embeddings(manifest, vectors, encoder_space=space)
        made: Artifact = by_hand.rankings(by_hand.index(embedded), embedded)
        return made

    return ranked


def n_seen(store: LocalStore, rankings: Artifact, *, allowed: bool = True) -> int | None:
    index = load(store, rankings.card.inputs["index"])
    return Judged(store, rankings, index).n_seen(IndexFacts.of(index).space, allowed=allowed)


@pytest.mark.parametrize(
    ("trained", "expected"),
    [
        ("xyz", 0),
        ("xa", 1),  # gallery
        ("xe", 1),  # query
        ("xg", 1),  # distractor
        ("xh", 0),  # of the same manifest, but not judged by
        ("abcdefgh", 7),
        (None, None),
    ],
)
def test_gallery_queries_and_distractors_count(
    store: LocalStore, ranked: Make, trained: str | None, expected: int | None
) -> None:
    assert n_seen(store, ranked(trained)) == expected


def test_an_image_seen_twice_counts_once(store: LocalStore, by_hand: Any, ranked: Make) -> None:
    start = trained_on(store, by_hand.encoder(by_hand.manifest("ab", roles="train"), "train", weights=b"start"))
    assert n_seen(store, ranked("ac", start=start)) == 3


def test_another_gallery_is_looked_at_too(store: LocalStore, by_hand: Any) -> None:
    """Queries of one manifest, gallery of two others."""
    space = by_hand.encoder(by_hand.manifest(["t1", "t2", "t3"], contents="gqz", roles="train"), "train")
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    manifests = [by_hand.manifest([f"{name}0", f"{name}1"], contents=[name, f"{name}1"]) for name in "fg"]
    galleries = [by_hand.embeddings(manifest, vectors, encoder_space=space) for manifest in manifests]
    queries = by_hand.embeddings(
        by_hand.manifest(["q0", "z0"], contents="qz", roles=["query", "gallery"]), vectors, encoder_space=space
    )
    rankings = by_hand.rankings(by_hand.index(*galleries), queries)
    assert n_seen(store, rankings) == 2  # g0 and q0; z0 is neither a query nor searched


def test_it_is_refused_with_the_first_of_them(store: LocalStore, ranked: Make, no_ray: None) -> None:
    rankings = ranked("ab")
    for run in (evaluate, plan_evaluate):
        with pytest.raises(InvalidSpec, match=r"found 2 of 7 .*\n  'a' and 'own-0'\n  'b' and 'own-1'\n.*--allow-le"):
            run(EvaluateSpec(str(rankings)), store, HERE)


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
class TestEvaluation:
    def evaluated(self, store: LocalStore, rankings: Artifact, *, allow_leakage: bool = False) -> tuple[str, str]:
        made = evaluate(EvaluateSpec(str(rankings), allow_leakage=allow_leakage), store, HERE)
        said, page = (store.read(f"{made}/{made.part(stem).name}").decode() for stem in ("evaluation", "report"))
        return said, page

    def test_where_it_is_allowed_it_is_counted_and_said(self, store: LocalStore, ranked: Make) -> None:
        said, page = self.evaluated(store, ranked("ab"), allow_leakage=True)
        assert '"n_trained_on":2' in said
        assert "images that the encoder was trained on, which makes the figures too good: 2" in page

    def test_a_clean_one_says_that_it_was_looked_at(self, store: LocalStore, ranked: Make) -> None:
        said, page = self.evaluated(store, ranked("yz"))
        assert '"n_trained_on":0' in said
        assert "was trained on" not in page

"""Figures held against a plain recomputation from the vectors; and the page."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch.errors import CorruptArtifact, InvalidSpec, MissingArtifact
from revsearch.evaluation import Evaluation, MetricValue
from revsearch.specs import EvaluateSpec, Resources
from revsearch.stages.evaluate import evaluate, plan_evaluate
from revsearch.storage.artifact import Artifact
from revsearch.storage.local import LocalStore
from tests.servers.server import Server

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

HERE = Resources()
DIM = 5
CLASSES = ("ape", "bee", "<script>alert(1)</script>")


def evaluation_of(store: LocalStore, artifact: Artifact) -> Evaluation:
    said = json.loads(store.read(f"{artifact}/{artifact.part('evaluation').name}"))
    slices = {label: metric_values(metrics) for label, metrics in said["slices"].items()}
    return Evaluation(metric_values(said["metrics"]), slices, said["counts"], said["conventions"])


def metric_values(metrics: dict[str, Any]) -> dict[str, MetricValue]:
    return {name: MetricValue(**value) for name, value in metrics.items()}


@dataclass(frozen=True)
class Images:
    """Rows by id: vector, label, role."""

    vectors: dict[str, NDArray[np.float32]]
    labels: dict[str, str | None]
    roles: dict[str, str]

    def of(self, *roles: str) -> list[str]:
        return sorted(id for id in self.vectors if self.roles[id] in roles and np.isfinite(self.vectors[id]).all())


@pytest.fixture(scope="module")
def shared(module_path: Path) -> LocalStore:
    return LocalStore(module_path / "store")


@pytest.fixture(scope="module")
def images() -> Images:
    """Three classes about their centres, distractors, an unknown class, a copy, a rejected query; no order of ids."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(3, DIM))
    named = [(f"{role[0]}{n:02}", role, n % 3) for role, m in (("gallery", 24), ("query", 12)) for n in range(m)]
    named += [(f"d{n}", "distractor", n % 3) for n in range(5)]
    vectors = {id: (centres[of] + random.normal(size=DIM)).astype(np.float32) for id, _, of in named}
    labels: dict[str, str | None] = {id: None if role == "distractor" else CLASSES[of] for id, role, of in named}
    labels["q05"] = "unknown"
    vectors["q02"], vectors["q07"] = vectors["g02"], np.full(DIM, np.nan, np.float32)
    shuffled = [named[place] for place in random.permutation(len(named))]
    return Images({id: vectors[id] for id, _, _ in shuffled}, labels, {id: role for id, role, _ in named})


@pytest.fixture(scope="module")
def ranked(shared: LocalStore, images: Images, by_hand_in: Callable[..., Any]) -> Callable[..., Artifact]:
    """Rankings of those images, with or without labels; q02 has the bytes of g02."""
    hand, ids = by_hand_in(shared), list(images.vectors)

    def ranked(*, labelled: bool = True, metric: str = "cosine", k: int = 10) -> Artifact:
        manifest = hand.manifest(
            ids,
            contents=["g02" if id == "q02" else id for id in ids],
            roles=[images.roles[id] for id in ids],
            labels=[images.labels[id] for id in ids] if labelled else None,
        )
        embedded = hand.embeddings(manifest, np.array(list(images.vectors.values())))
        made: Artifact = hand.rankings(hand.index(embedded, metric=metric), embedded, k=k)
        return made

    return ranked


def lists(images: Images, metric: str, *, junk: Mapping[str, set[str]] | None = None) -> dict[str, list[str]]:
    """Each query's whole gallery, best first, ties by id; junk taken out."""
    found = {}
    for query in images.of("query"):
        left, scored = images.vectors[query].astype(np.float64), []
        for id in images.of("gallery", "distractor"):
            right = images.vectors[id].astype(np.float64)
            cosine = left @ right / np.linalg.norm(left) / np.linalg.norm(right)
            scored.append((-round(cosine if metric == "cosine" else -np.linalg.norm(left - right), 6), id))
        found[query] = [id for _, id in sorted(scored) if id not in (junk or {}).get(query, ())]
    return found


def figures(ranking: list[str], relevant: set[str]) -> dict[str, float]:
    """The figures of one query, as protocols define them."""
    hits, R = [id in relevant for id in ranking], len(relevant)
    places = [place for place, hit in enumerate(hits) if hit]
    found: dict[str, float] = {f"hit_rate_at_{k}": float(any(hits[:k])) for k in (1, 3, 5, 10)}
    found |= {f"precision_at_{k}": sum(hits[:k]) / k for k in (1, 5, 10)}
    found |= {f"recall_at_{k}": sum(hits[:k]) / R for k in (1, 5, 10)}
    found["ap_at_10"] = sum((j + 1) / (r + 1) for j, r in enumerate(places) if r < 10) / min(R, 10)
    found["ap_plain"] = sum((j + 1) / (r + 1) for j, r in enumerate(places)) / R
    found["ap_trapezoid"] = sum(((j / r if r else 1) + (j + 1) / (r + 1)) / 2 for j, r in enumerate(places)) / R
    found["map_at_r"] = sum((j + 1) / (r + 1) for j, r in enumerate(places) if r < R) / R
    found["r_precision"] = sum(hits[:R]) / R
    return found


def means(rankings: Mapping[str, list[str]], relevant: Mapping[str, set[str]]) -> dict[str, float]:
    each = [figures(rankings[query], relevant[query]) for query in rankings if relevant[query]]
    return {name: float(np.mean([found[name] for found in each])) for name in each[0]}


def of_class(images: Images) -> dict[str, set[str]]:
    return {
        query: {id for id in images.of("gallery") if images.labels[id] == images.labels[query]}
        for query in images.of("query")
    }


def require_equal(found: Evaluation, expected: Mapping[str, float]) -> None:
    assert found.metrics.keys() == expected.keys()
    for name, value in expected.items():
        assert found.metrics[name].value == pytest.approx(value, abs=1e-9), name
        assert found.metrics[name].low <= found.metrics[name].value <= found.metrics[name].high


class TestByLabels:
    @pytest.mark.parametrize("metric", ["cosine", "l2"])
    def test_figures_are_those_of_a_plain_recomputation(
        self, shared: LocalStore, images: Images, ranked: Callable[..., Artifact], metric: str
    ) -> None:
        made = evaluate(EvaluateSpec(str(ranked(metric=metric))), shared, HERE)
        found = evaluation_of(shared, made)
        require_equal(found, means(lists(images, metric), of_class(images)))
        assert {name: value["value"] for name, value in made.card.facts["metrics"].items()} == {
            name: value.value for name, value in found.metrics.items()
        }
        assert made.card.facts["protocol"] == "competition"

    def test_every_query_is_counted(self, shared: LocalStore, ranked: Callable[..., Artifact]) -> None:
        made = evaluate(EvaluateSpec(str(ranked())), shared, HERE)
        assert evaluation_of(shared, made).counts == {
            "n_queries": 10,
            "n_empty_queries": 1,
            "n_rejected_queries": 1,
            "n_queries_with_twin": 1,
            "n_gallery": 29,
        }
        counts = made.card.counts
        assert (counts.n_in, counts.n_ok, counts.rejected) == (12, 11, {"not_finite": 1})

    def test_classes_have_figures_of_their_own(
        self, shared: LocalStore, images: Images, ranked: Callable[..., Artifact]
    ) -> None:
        made = evaluate(EvaluateSpec(str(ranked())), shared, HERE)
        found, rankings, relevant = evaluation_of(shared, made), lists(images, "cosine"), of_class(images)
        assert set(found.slices) == set(CLASSES)
        for label, metrics in found.slices.items():
            own = {query: ranking for query, ranking in rankings.items() if images.labels[query] == label}
            for name, value in means(own, relevant).items():
                assert metrics[name].value == pytest.approx(value, abs=1e-9)
        table = shared.read(f"{made}/{made.part('classes').name}").decode()
        assert len(list(csv.reader(io.StringIO(table)))) == 4

    def test_twins_may_be_taken_out(self, shared: LocalStore, images: Images, ranked: Callable[..., Artifact]) -> None:
        """g02 has the bytes of q02: neither right nor wrong then, and the lists are one place shorter."""
        found = evaluation_of(shared, evaluate(EvaluateSpec(str(ranked()), twins="junk"), shared, HERE))
        junk = {"q02": {"g02"}}
        relevant = {query: right - junk.get(query, set()) for query, right in of_class(images).items()}
        expected = means(lists(images, "cosine", junk=junk), relevant)
        assert found.metrics["ap_plain"].value == pytest.approx(expected["ap_plain"], abs=1e-9)
        assert found.metrics["hit_rate_at_5"].value == pytest.approx(expected["hit_rate_at_5"], abs=1e-9)
        assert "hit_rate_at_10" not in found.metrics  # a list of ten without its junk has nine places
        assert "recall_at_9" in found.metrics


class TestByTruth:
    @pytest.fixture
    def truth(self, tmp_path: Path) -> Path:
        path = tmp_path / "truth.jsonl"
        rows = [
            {"query": "q00", "relevant": ["g01", "g04"], "junk": ["g00"]},
            {"query": "q01", "relevant": ["g22"], "hard": ["d1"]},
            {"query": "q07", "relevant": ["g01"]},  # a rejected query
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def test_what_the_file_says_counts_and_labels_do_not(
        self, shared: LocalStore, images: Images, ranked: Callable[..., Artifact], truth: Path
    ) -> None:
        spec = EvaluateSpec(str(ranked()), truth=str(truth))
        found = evaluation_of(shared, evaluate(spec, shared, HERE))
        relevant: dict[str, set[str]] = {query: set() for query in images.of("query")}
        relevant |= {"q00": {"g01", "g04"}, "q01": {"g22", "d1"}}
        expected = means(lists(images, "cosine", junk={"q00": {"g00"}}), relevant)
        for name, value in found.metrics.items():
            if name in expected:
                assert value.value == pytest.approx(expected[name], abs=1e-9), name
        assert found.counts["n_queries"] == 2
        assert found.counts["n_empty_queries"] == 9

    def test_the_bytes_of_the_file_name_the_result(
        self, shared: LocalStore, ranked: Callable[..., Artifact], truth: Path
    ) -> None:
        rankings = str(ranked())
        first = evaluate(EvaluateSpec(rankings, truth=str(truth)), shared, HERE)
        moved = truth.rename(truth.with_name("moved.jsonl"))
        assert evaluate(EvaluateSpec(rankings, truth=str(moved)), shared, HERE).id == first.id
        moved.write_text('{"query": "q00", "relevant": ["g01"]}\n')
        assert evaluate(EvaluateSpec(rankings, truth=str(moved)), shared, HERE).id != first.id

    def test_a_truth_file_in_a_bucket_says_the_same(
        self,
        shared: LocalStore,
        ranked: Callable[..., Artifact],
        truth: Path,
        moto: Server,
        in_environment_of: Callable[..., None],
    ) -> None:
        in_environment_of(moto)
        bucket = moto.fill(moto.make_bucket(), {"truth.jsonl": truth.read_bytes()})
        here, there = (EvaluateSpec(str(ranked()), truth=place) for place in (str(truth), f"{bucket}/truth.jsonl"))
        assert evaluate(there, shared, HERE).id == evaluate(here, shared, HERE).id
        with pytest.raises(InvalidSpec, match=f"--truth {bucket}/gone.csv: .*no such object"):
            evaluate(EvaluateSpec(str(ranked()), truth=f"{bucket}/gone.csv"), shared, HERE)

    @pytest.mark.parametrize(
        ("text", "match"),
        [
            ('{"query": "q00", "relevant": ["g1"]}', r"1 gallery ids .* \['g1'\]; did you mean"),
            ("not json", "--truth .*truth.jsonl: .*line 1"),
        ],
    )
    def test_unknown_ids_and_broken_files(
        self, shared: LocalStore, ranked: Callable[..., Artifact], truth: Path, text: str, match: str
    ) -> None:
        truth.write_text(text + "\n")
        with pytest.raises(InvalidSpec, match=match) as caught:
            evaluate(EvaluateSpec(str(ranked()), truth=str(truth)), shared, HERE)
        assert type(caught.value) is InvalidSpec

    def test_no_such_file(self, shared: LocalStore, ranked: Callable[..., Artifact], no_ray: None) -> None:
        with pytest.raises(InvalidSpec, match=r"--truth /nowhere\.csv"):
            evaluate(EvaluateSpec(str(ranked()), truth="/nowhere.csv"), shared, HERE)


class TestProtocols:
    def test_ukbench_by_the_order_of_names(self, store: LocalStore, by_hand: Any) -> None:
        """No labels: four names in a row are one object."""
        random = np.random.default_rng(4)
        ids = [f"ukbench{n:05}" for n in range(24)]
        vectors = (np.repeat(random.normal(size=(6, DIM)), 4, axis=0) + random.normal(size=(24, DIM))).astype(
            np.float32
        )
        embedded = by_hand.embeddings(by_hand.manifest(ids), vectors)
        rankings = by_hand.rankings(by_hand.index(embedded), embedded, k=4)
        found = evaluation_of(store, evaluate(EvaluateSpec(str(rankings), protocol="ukbench"), store, HERE))
        unit = vectors.astype(np.float64) / np.linalg.norm(vectors, axis=1, keepdims=True)
        first = np.argsort(-np.round(unit @ unit.T, 6), axis=1, kind="stable")[:, :4]
        score = np.mean([np.sum(row // 4 == query // 4) for query, row in enumerate(first)])
        assert found.metrics["ns4_self_in"].value == pytest.approx(score, abs=1e-9)
        assert found.metrics["ns3_self_out"].value == pytest.approx(score - 1, abs=1e-9)
        assert 1 < score < 4

    def test_all_against_all_leaves_each_itself_out(self, store: LocalStore, by_hand: Any) -> None:
        vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32)
        embedded = by_hand.embeddings(by_hand.manifest("abcd", labels=["x", "x", "y", "y"]), vectors)
        made = evaluate(EvaluateSpec(str(by_hand.rankings(by_hand.index(embedded), embedded))), store, HERE)
        found = evaluation_of(store, made)
        assert made.card.facts["protocol"] == "all-vs-all"
        assert (found.metrics["ap_plain"].value, found.metrics["ap_plain"].n) == (1.0, 4)


class Tags(HTMLParser):
    """The tags of a page, in balance."""

    VOID = frozenset(["br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"])

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page_of(store: LocalStore, artifact: Artifact) -> str:
    page: str = store.read(f"{artifact}/{artifact.part('report').name}").decode()
    return page


def tags(page: str) -> Tags:
    parser = Tags()
    parser.feed(page)
    parser.close()
    return parser


class TestPage:
    def test_it_is_sound_and_runs_nothing(self, shared: LocalStore, ranked: Callable[..., Artifact]) -> None:
        rankings = ranked()
        page = page_of(shared, evaluate(EvaluateSpec(str(rankings)), shared, HERE))
        found = tags(page)
        assert found.open == []
        assert "script" not in found.names
        assert not [name for name in found.attributes if name.startswith("on")]
        assert "Content-Security-Policy" in page
        assert str(rankings) in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page

    def test_without_labels_there_are_no_figures_but_a_page(
        self, shared: LocalStore, ranked: Callable[..., Artifact]
    ) -> None:
        made = evaluate(EvaluateSpec(str(ranked(labelled=False))), shared, HERE)
        found = evaluation_of(shared, made)
        assert (found.metrics, found.slices) == ({}, {})
        assert found.counts["n_queries"] == 0
        assert made.card.facts["metrics"] == {}
        page = page_of(shared, made)
        assert tags(page).open == []
        assert "no labels" in page
        assert "q00" in page


class TestRefusing:
    def test_damaged_rankings(self, store: LocalStore, by_hand: Any) -> None:
        embedded = by_hand.embeddings(by_hand.manifest("ab", labels="xx"), np.eye(2, dtype=np.float32))
        rankings = by_hand.rankings(by_hand.index(embedded), embedded)
        path = store.root / str(rankings) / rankings.part("part").name
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(CorruptArtifact, match="checksum of part") as caught:
            evaluate(EvaluateSpec(str(rankings)), store, HERE)
        assert (type(caught.value), caught.value.reason) == (CorruptArtifact, "checksum")

    def test_no_such_rankings(self, store: LocalStore, no_ray: None) -> None:
        for run in (evaluate, plan_evaluate):
            with pytest.raises(MissingArtifact):
                run(EvaluateSpec("rankings/0123456789ab"), store, HERE)


def test_asked_again_it_is_found_without_ray(
    shared: LocalStore, ranked: Callable[..., Artifact], request: pytest.FixtureRequest
) -> None:
    made = evaluate(EvaluateSpec(str(ranked())), shared, HERE)
    request.getfixturevalue("no_ray")
    assert evaluate(EvaluateSpec(str(ranked())), shared, HERE).card == made.card


def test_a_plan_writes_nothing(shared: LocalStore, ranked: Callable[..., Artifact], no_ray: None) -> None:
    rankings = ranked()
    before = [info.key for info in shared.list("")]
    plan = plan_evaluate(EvaluateSpec(str(rankings), seed=99), shared, HERE)
    assert (plan.rows, plan.parts, plan.note) == (12, 3, "protocol auto")
    assert [info.key for info in shared.list("")] == before

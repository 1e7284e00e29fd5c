"""Rankings -> Evaluation: figures with intervals, and a page that shows them."""

import io
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.evaluation import Evaluation, summarise
from revsearch.fingerprint import canonical_json, fingerprint, sha256_hex
from revsearch.metric_rules import served_metrics
from revsearch.protocols import rules as protocol_rules
from revsearch.render.csv import Cell, write_csv
from revsearch.render.page import render_report
from revsearch.score_histogram import ScoreCounts
from revsearch.significance import Bootstrap
from revsearch.specs import EvaluateSpec, Plan, Protocol, Resources, require_sound
from revsearch.stages import meters
from revsearch.stages.gallery import IndexFacts, sample_rows
from revsearch.stages.judged import Judged
from revsearch.stages.judging import Case, Figures, Judge, ShownQuery
from revsearch.stages.meters import Work
from revsearch.stages.node_pool import NodePool
from revsearch.stages.nodes import Node, working_nodes
from revsearch.stages.progress import Progress
from revsearch.stages.recording import Recording
from revsearch.stages.report import Findings, build_report
from revsearch.storage.artifact import Artifact, Draft, load
from revsearch.storage.catalog import resolve
from revsearch.storage.files import local_copy
from revsearch.storage.store import Store
from revsearch.timeline import Timeline
from revsearch.truth import Truth, parse_truth

REVISION = 1

_HISTOGRAM_QUERIES = 200  # seeded; the picture of all


def evaluate(spec: EvaluateSpec, store: Store, resources: Resources) -> Artifact:
    """Judge rankings by a truth file, groups or labels, and make the report page.

    Without any of those there are no figures, and the page shows the lists alone.

    Raises:
        InvalidSpec: where a truth file cannot be read or names unknown ids, a protocol lacks what it needs, or the
            encoder was trained on images that it is to be judged by.
    """
    job = _Job.of(spec, store)
    if (artifact := job.draft.begin()) is not None:
        return artifact
    job.count_leakage()
    job.recording.connect(resources, store)
    return job.run()


def plan_evaluate(spec: EvaluateSpec, store: Store, resources: Resources) -> Plan:
    """Return what `evaluate` would do, without writing anything or starting Ray."""
    job = _Job.of(spec, store)
    job.count_leakage()
    return Plan(job.rankings.card.counts.n_in, 3, None, resources, f"protocol {spec.protocol}")


@dataclass(frozen=True)
class _Overview:
    """What the driver must know before it hands out work.

    Attributes:
        blocks: queries with a relevant image, int64 rows of the rankings, in blocks; None where nothing says what is
            relevant.
        labels: str or None `[q]`, of all ranked queries.
        counts: beside the averaged queries.
        protocol: the protocol, `auto` resolved.
    """

    blocks: list[NDArray[np.int64]] | None
    labels: NDArray[np.object_]
    counts: Mapping[str, int]
    protocol: Protocol


class _JudgeActor:
    """Actor with a `Judge`, made by the first task: an actor whose constructor raises is dead to Ray."""

    def __init__(self, case: Case) -> None:
        self.case, self.recording = case, Recording("evaluate")

    @cached_property
    def judge(self) -> Judge:
        """What judges."""
        return Judge(self.case)

    def done(self) -> Timeline | None:
        """Return what this actor did so far, None where nothing."""
        return self.recording.done

    def overview(self) -> _Overview:
        """Count, and say what there is to judge."""
        with self.recording.time("open"):
            return self._overview()

    def _overview(self) -> _Overview:
        judge, relevance = self.judge, self.judge.relevance
        blocks = None if relevance is None else judge.blocks()
        counts = {
            "n_empty_queries": 0 if blocks is None else len(judge.query_rows) - sum(map(len, blocks)),
            "n_queries_with_twin": 0 if relevance is None else relevance.n_queries_with(judge.twins),
            "n_gallery": len(judge.gallery.rows),
        }
        return _Overview(blocks, judge.queries.rows.labels, counts, judge.protocol.name)

    def exact(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], dict[str, Figures]]:
        """Return full-rank metrics of queries `rows` `[q]`, and the rows: they come back in any order."""
        with self.recording.time("judge"):
            figures = self.judge.exact_figures(rows)
        meters.count("evaluate", Work(len(rows)))
        return rows, figures

    def served(self, rows: NDArray[np.int64]) -> tuple[int, dict[str, Figures], list[float]]:
        """Return how deep the lists reach, the served metrics of queries `rows`, and their hit rate at each k."""
        with self.recording.time("judge"):
            return self.judge.served.depth, self.judge.served_figures(rows), self.judge.hit_curve(rows)

    def histogram(self, rows: NDArray[np.int64]) -> ScoreCounts:
        """Count the scores of queries `rows`."""
        with self.recording.time("judge"):
            return self.judge.histogram(rows)

    def shown(self, rows: NDArray[np.int64]) -> list[ShownQuery]:
        """Return the lists of queries `rows`, each place judged."""
        with self.recording.time("judge"):
            return self.judge.shown(rows)


@dataclass
class _Job:
    """One run of the stage."""

    spec: EvaluateSpec
    store: Store
    rankings: Artifact
    index: Artifact
    truth: Mapping[str, Truth] | None
    truth_sha256: str | None
    leakage: Mapping[str, int] = field(default_factory=dict)
    recording: Recording = field(default_factory=lambda: Recording("evaluate"))

    @classmethod
    def of(cls, spec: EvaluateSpec, store: Store) -> "_Job":
        """Look everything up and read the truth file."""
        require_sound(spec)
        rankings = resolve(store, spec.rankings, "rankings")
        index = load(store, rankings.card.inputs["index"])
        truth, sha256 = (None, None) if spec.truth is None else read_truth(spec.truth)
        return cls(spec, store, rankings, index, truth, sha256)

    @property
    def draft(self) -> Draft:
        """The artifact: named by the rankings, what the truth file says, and what is asked."""
        inputs = {"rankings": str(self.rankings)}
        spec = asdict(self.spec) | inputs
        asked = spec | {"truth": self.truth_sha256}
        return Draft(self.store, "evaluation", fingerprint("evaluate", REVISION, asked), spec, inputs)

    def count_leakage(self) -> None:
        """Count the images the encoder was trained on; InvalidSpec where there are any and nobody allowed them."""
        judged, allowed = Judged(self.store, self.rankings, self.index), self.spec.allow_leakage
        n_seen = judged.n_seen(IndexFacts.of(self.index).space, allowed=allowed)
        self.leakage = {} if n_seen is None else {"n_trained_on": n_seen}

    def run(self) -> Artifact:
        """Judge, summarise, draw, commit."""
        case = self._case()
        pool = NodePool(lambda node: _start_judge(node, case))
        with self.recording.pool(len(working_nodes())):
            overview: _Overview = pool.ask(lambda judge: judge.overview.remote())
            findings = self._judge(pool, overview)
            for done in pool.each(lambda judge: judge.done.remote()):
                self.recording.merge(done)
        with self.recording.time("draw"):
            page = render_report(build_report(self.store, self.rankings, self.index, findings, self.spec))
        return self._commit(findings, page)

    def _judge(self, pool: NodePool, overview: _Overview) -> Findings:
        n_queries = len(overview.labels)
        counts = {**overview.counts, "n_rejected_queries": self.rankings.card.counts.n_rejected, **self.leakage}
        rows = np.concatenate([np.empty(0, np.int64), *(overview.blocks or [])])
        everyone = rows if len(rows) else np.arange(n_queries)
        # In no order of theirs: rows are sorted by class, and the first shown should not be all of one.
        sampled = np.random.default_rng(self.spec.seed).permutation(everyone)[: self.spec.sheets]
        if not len(rows):
            shown = pool.ask(lambda judge: judge.shown.remote(sampled))
            return Findings(overview.protocol, Evaluation({}, counts={"n_queries": 0, **counts}), shown)
        depth, served, curve = pool.ask(lambda judge: judge.served.remote(rows))
        rules = (*served_metrics(depth), *protocol_rules(overview.protocol).exact)
        figures = served | self._exact(pool, overview.blocks or [], rows)
        labels = overview.labels[rows]
        evaluation = summarise(
            rules,
            figures,
            labels if any(label is not None for label in labels) else None,
            counts,
            Bootstrap(self.spec.bootstrap, self.spec.seed),
            {"relevant": "as the truth file says" if self.truth else protocol_rules(overview.protocol).relevant},
        )
        spread = sample_rows(rows, _HISTOGRAM_QUERIES, self.spec.seed)
        worst = rows[np.argsort(figures["ap_plain"], kind="stable")[: self.spec.sheets // 2]]
        return Findings(
            protocol=overview.protocol,
            evaluation=evaluation,
            sampled=pool.ask(lambda judge: judge.shown.remote(sampled)),
            worst=pool.ask(lambda judge: judge.shown.remote(worst)),
            worst_ap=np.sort(figures["ap_plain"], kind="stable")[: self.spec.sheets // 2].tolist(),
            hit_curve=curve,
            histogram=pool.ask(lambda judge: judge.histogram.remote(spread)),
        )

    def _exact(self, pool: NodePool, blocks: list[NDArray[np.int64]], rows: NDArray[np.int64]) -> dict[str, Figures]:
        """Return full-rank metrics of queries `rows` `[q]`, which the blocks hold in order."""
        figures: dict[str, Figures] = {}
        progress = Progress("evaluate", len(rows))
        for some, found in pool.map_unordered(lambda judge, block: judge.exact.remote(block), blocks):
            for name, values in found.items():
                figures.setdefault(name, np.zeros(len(rows)))[np.searchsorted(rows, some)] = values
            progress.add(len(some))
        return figures

    def _commit(self, findings: Findings, page: str) -> Artifact:
        draft, evaluation, counts = self.draft, findings.evaluation, self.rankings.card.counts
        with self.recording.time("write"):
            parts = [
                draft.put("evaluation", ".json", canonical_json(evaluation.to_dict())),
                draft.put("report", ".html", page.encode()),
            ]
            if evaluation.slices:
                parts.append(draft.put("classes", ".csv", _class_table(evaluation).encode()))
        facts = {"protocol": findings.protocol, "metrics": {n: asdict(v) for n, v in evaluation.metrics.items()}}
        return draft.commit(counts, parts, facts={**facts, **self.recording.facts()}, seconds=self.recording.seconds)

    def _case(self) -> Case:
        facts = IndexFacts.of(self.index)
        return Case(
            store=self.store,
            rankings=str(self.rankings),
            queries=self.rankings.card.inputs["embeddings"],
            galleries=list(facts.sources.values()),
            metric=facts.metric,
            protocol=self.spec.protocol,
            twins=self.spec.twins,
            truth=self.truth,
        )


def _start_judge(node: Node, case: Case) -> Any:
    judge = ray.remote(max_restarts=0)(_JudgeActor)
    return judge.options(scheduling_strategy=node.only_here).remote(case)


def read_truth(uri: str) -> tuple[Mapping[str, Truth], str]:
    """Return what a truth file, of this machine or of S3, says of each query, by its id, and the SHA-256 of its bytes.

    Raises:
        InvalidSpec: where there is no such file, or naming the line that cannot be read.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
            path = local_copy(uri, Path(folder))
            raw = path.read_bytes()
        return parse_truth(path.name, io.StringIO(raw.decode(), newline="")), sha256_hex(raw)
    except OSError as error:
        raise InvalidSpec(f"--truth {uri}: expected a .jsonl or .csv file: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidSpec(f"--truth {uri}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except InvalidSpec as error:
        raise InvalidSpec(*(f"--truth {uri}: {problem}" for problem in error.problems)) from error


def _class_table(evaluation: Evaluation) -> str:
    names = list(evaluation.metrics)
    rows: list[list[Cell]] = [
        [label, metrics[names[0]].n, *(metrics[name].value for name in names)]
        for label, metrics in evaluation.slices.items()
    ]
    return write_csv(("class", "n_queries", *names), rows)

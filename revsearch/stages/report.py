"""Everything the report page shows, gathered from the artifacts a ranking stands on."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np

from revsearch.evaluation import Evaluation
from revsearch.protocols import rules
from revsearch.render.report import (
    ClassRow,
    ClassTable,
    HitCurve,
    Metric,
    Report,
    ScoreHistogram,
    Sheet,
    StageTimeline,
    Summary,
    Tile,
)
from revsearch.score_histogram import ScoreCounts
from revsearch.specs import EvaluateSpec, Protocol
from revsearch.stages.judging import ShownQuery
from revsearch.stages.recording import timeline_of
from revsearch.stages.reject_rows import reject_rows
from revsearch.stages.thumbnails import thumbnails
from revsearch.storage.artifact import Artifact, load
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.reject_table import read_rejects
from revsearch.storage.store import Store

_CLASS_METRICS = ("hit_rate_at_1", "hit_rate_at_5", "hit_rate_at_10", "ap_plain")
_FIRST = ("hit_rate_at_1", "ap_plain", "hit_rate_at_5", "hit_rate_at_10")  # head the page, after a protocol's own
# By what they make.
_STAGES = {"manifest": "manifest", "embeddings": "embed", "index": "build-index", "rankings": "rank"}
_BEST = {"ns4_self_in": 4.0, "ns3_self_out": 3.0}


@dataclass(frozen=True)
class Findings:
    """What judging gave.

    Attributes:
        worst_ap: average precision of each of the worst queries.
        hit_curve: hit rate at k = 1, 2, …
    """

    protocol: Protocol
    evaluation: Evaluation
    sampled: list[ShownQuery]
    worst: list[ShownQuery] = field(default_factory=list)
    worst_ap: list[float] = field(default_factory=list)
    hit_curve: list[float] = field(default_factory=list)
    histogram: ScoreCounts | None = None


def build_report(store: Store, rankings: Artifact, index: Artifact, findings: Findings, spec: EvaluateSpec) -> Report:
    """Gather the page of an evaluation: figures, lists with pictures, rejects, seconds, provenance."""
    chain = _Chain.of(store, rankings, index)
    pictures = _Pictures(store, chain, [*findings.sampled, *findings.worst])
    evaluation = findings.evaluation
    judged = bool(evaluation.metrics)
    notes = [f"AP {ap:.3f}" for ap in findings.worst_ap]
    return Report(
        title="Reverse image search report",
        subtitle=f"{chain.encoder} · {rankings}",
        summary=chain.summary(evaluation),
        metrics=_metrics(evaluation),
        classes=_classes(evaluation),
        sheets=tuple(pictures.sheet(query) for query in findings.sampled),
        sheets_note=f"{len(findings.sampled)} queries drawn with seed {spec.seed}" + ("" if judged else "; no labels"),
        worst=tuple(pictures.sheet(query, note) for query, note in zip(findings.worst, notes, strict=True)),
        hit_curve=_curve(findings.hit_curve),
        histogram=_histogram(findings.histogram),
        seconds={_STAGES[artifact.kind]: dict(artifact.card.seconds) for artifact in chain.artifacts},
        timelines=chain.timelines,
        rejects=reject_rows(
            reject for artifact in [*chain.manifests, *chain.embeddings] for reject in read_rejects(store, artifact)
        ),
        provenance=chain.provenance(findings, spec),
    )


@dataclass(frozen=True)
class _Chain:
    """The artifacts a ranking stands on, in the order they were made."""

    rankings: Artifact
    index: Artifact
    embeddings: list[Artifact]
    galleries: list[Artifact]  # manifests of what is indexed
    queries: Artifact  # manifest of what is ranked

    @classmethod
    def of(cls, store: Store, rankings: Artifact, index: Artifact) -> "_Chain":
        indexed, ranked = index.card.inputs["embeddings"], rankings.card.inputs["embeddings"]
        embeddings = {name: load(store, name) for name in [*indexed, ranked]}
        manifests = {name: load(store, artifact.card.inputs["manifest"]) for name, artifact in embeddings.items()}
        galleries = [manifests[name] for name in indexed]
        return cls(rankings, index, list(embeddings.values()), galleries, manifests[ranked])

    @property
    def manifests(self) -> list[Artifact]:
        return list({str(artifact): artifact for artifact in [*self.galleries, self.queries]}.values())

    @property
    def artifacts(self) -> list[Artifact]:
        return [*self.manifests, *self.embeddings, self.index, self.rankings]

    @property
    def timelines(self) -> tuple[StageTimeline, ...]:
        """What the workers of each stage did, of the artifacts that say so; each as of when it was made."""
        known = {str(artifact): (artifact.kind, timeline_of(artifact)) for artifact in self.artifacts}
        return tuple(StageTimeline(_STAGES[kind], timeline) for kind, timeline in known.values() if timeline)

    @property
    def encoder(self) -> str:
        return str(self.embeddings[0].card.facts["encoder"])

    def summary(self, evaluation: Evaluation) -> Summary:
        """Account for every image that went in: rejected by the manifest or by embedding, else ok."""
        n_in = sum(manifest.card.counts.n_in for manifest in self.manifests)
        n_rejected = sum(artifact.card.counts.n_rejected for artifact in [*self.manifests, *self.embeddings])
        roles: dict[str, int] = defaultdict(int)
        for manifest in self.manifests:
            for role, n in manifest.card.facts["roles"].items():
                roles[role] += n
        notes = {
            "n_trained_on": "images that the encoder was trained on, which makes the figures too good",
            "n_queries_with_twin": "queries with a byte-identical image in the gallery",
            "n_empty_queries": "queries without a relevant image in the gallery, not averaged",
            "n_rejected_queries": "rejected queries, not averaged",
        }
        counts = {**evaluation.counts, "n_twins": self._n_twins()}
        notes["n_twins"] = "images beyond the first of equal bytes"
        said = [f"{text}: {n}" for name, text in notes.items() if (n := counts.get(name, 0))]
        return Summary(n_in, n_in - n_rejected, n_rejected, roles, tuple(said))

    def provenance(self, findings: Findings, spec: EvaluateSpec) -> dict[str, dict[str, str]]:
        space, facts = self.embeddings[0].card.facts["space"], self.rankings.card.facts
        preprocess = space["preprocess"]
        return {
            "artifacts": {
                kind: ", ".join(map(str, artifacts))
                for kind, artifacts in groupby(self.artifacts, key=lambda artifact: artifact.kind)
            },
            "encoder": {
                "name": self.encoder,
                "weights": str(space["weights"]),
                "pooling": str(space["pooling"]),
                "dim": str(space["dim"]),
                "preprocess": f"{preprocess['fit']} {preprocess['size']} px, {preprocess['interpolation']}",
                "precision": str(self.embeddings[0].card.facts["precision"]),
            },
            "search": {
                "index": f"{facts['kind']}, {facts['n_vectors']} vectors, {facts['metric']}",
                "ef": ", ".join(map(str, facts["ef"])) or "exact search",
                "ann_recall_at_k": f"{facts['ann_recall_at_k']:.4f} on {facts['n_tuning_queries']} queries",
                "k": str(self.rankings.card.spec["k"]),
            },
            "evaluation": {
                "protocol": findings.protocol,
                "relevant": f"as {Path(spec.truth).name} says" if spec.truth else rules(findings.protocol).relevant,
                "byte-identical images": "taken out of the ranking" if spec.twins == "junk" else "count like others",
            },
            "versions": dict(self.rankings.card.versions),
        }

    def _n_twins(self) -> int:
        return sum(manifest.card.facts["n_twins"] for manifest in self.manifests)


class _Pictures:
    """Thumbnails of the images that the page shows; queries and gallery may have ids in common."""

    def __init__(self, store: Store, chain: _Chain, queries: list[ShownQuery]) -> None:
        self._queries = dict(_thumbnails(store, [chain.queries], {query.id for query in queries}))
        ranked = {place.id for query in queries for place in query.places}
        self._gallery = dict(_thumbnails(store, chain.galleries, ranked))

    def sheet(self, query: ShownQuery, note: str = "") -> Sheet:
        """Return a query and its neighbours with their pictures."""
        neighbours = tuple(
            Tile(place.id, place.label, place.score, self._gallery.get(place.id), place.verdict, place.n_same)
            for place in query.places
        )
        return Sheet(Tile(query.id, query.label, None, self._queries.get(query.id)), neighbours, note)


def _thumbnails(store: Store, manifests: list[Artifact], wanted: set[str]) -> Iterator[tuple[str, bytes | None]]:
    """Yield the wanted ids that are in the manifests, each with its thumbnail."""
    for artifact in manifests:
        manifest = StoredManifest(store, artifact)
        for id, _, picture in thumbnails(manifest, manifest.rows_of_ids(wanted)):
            yield id, picture


def _metrics(evaluation: Evaluation) -> tuple[Metric, ...]:
    names = list(evaluation.metrics)
    first = [name for name in (*_BEST, *_FIRST) if name in names]
    return tuple(
        Metric(
            name=name,
            value=value.value,
            low=value.low,
            high=value.high,
            n=value.n,
            source=value.source,
            convention=evaluation.conventions[name],
            best=_BEST.get(name, 1.0),
        )
        for name in [*first, *(name for name in names if name not in first)]
        for value in [evaluation.metrics[name]]
    )


def _classes(evaluation: Evaluation) -> ClassTable | None:
    if not evaluation.slices:
        return None
    columns = tuple(name for name in _CLASS_METRICS if name in evaluation.metrics)
    rows = [
        ClassRow(label, metrics[columns[0]].n, tuple(metrics[name].value for name in columns))
        for label, metrics in evaluation.slices.items()
    ]
    return ClassTable(columns, tuple(rows))


def _curve(values: list[float]) -> HitCurve | None:
    return HitCurve(tuple(range(1, len(values) + 1)), tuple(values)) if values else None


def _histogram(counts: ScoreCounts | None) -> ScoreHistogram | None:
    """Return the histogram, without the empty bins at both ends."""
    if counts is None:
        return None
    filled = np.flatnonzero(counts.matches + counts.others)
    low, high = (int(filled[0]), int(filled[-1]) + 1) if len(filled) else (0, len(counts.others))
    return ScoreHistogram(
        tuple(counts.edges[low : high + 1].tolist()),
        tuple(counts.others[low:high].tolist()),
        tuple(counts.matches[low:high].tolist()),
    )

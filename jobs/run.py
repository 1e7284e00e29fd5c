"""Do all of it: a folder of images to ranked lists, figures and a page."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jobs.evaluate import report_path
from jobs.launch import Command, Job, Outcome, Plan, launch
from revsearch.specs import (
    MAX_SEED,
    EmbedSpec,
    EvaluateSpec,
    IndexKind,
    IndexSpec,
    Labels,
    ManifestSpec,
    Metric,
    Precision,
    Protocol,
    RankSpec,
    option,
)

if TYPE_CHECKING:
    from revsearch.storage.card import Counts

SAMPLED_QUERIES = 12  # where nothing says which images are queries, nor which are alike


@dataclass(frozen=True)
class RunSpec:
    """Do all of it: a folder of images to ranked lists, figures and a page."""

    gallery: str = option(
        help="folder or list, also s3://, of the images to search in; its folders may name roles", place="path"
    )
    queries: str | None = option(
        None, help="folder or list of queries (default: all-vs-all, or a sample)", place="path"
    )
    distractors: str | None = option(None, help="folder or list of images that are never right", place="path")
    truth: str | None = option(None, help="relevant ids a query: JSONL, or CSV query,relevant")
    labels: Labels = option("auto", help="where a label is read from")
    encoder: str = option(EmbedSpec(manifest="").encoder, help="as `embed --encoder`")
    precision: Precision = option("fp32", help="arithmetic of the forward pass")
    kind: IndexKind = option("auto", help="index: exact, hnsw, or auto by size")
    metric: Metric = option("cosine", help="what near means")
    k: int = option(10, help="gallery images a query", at_least=1)
    exact: bool = option(False, help="compare with every vector, graph or not")
    protocol: Protocol = option("auto", help="which metrics, with which conventions")
    allow_leakage: bool = option(False, help="judge an encoder also by images it was trained on")
    seed: int = option(0, help="seed of samples and intervals", at_least=0, at_most=MAX_SEED)

    @property
    def manifest(self) -> ManifestSpec:
        """One manifest with roles; a single source keeps its ids as they are."""
        others = {"query": self.queries, "distractor": self.distractors}
        given = [f"{role}={source}" for role, source in others.items() if source is not None]
        return ManifestSpec((f"gallery={self.gallery}", *given) if given else (self.gallery,), labels=self.labels)

    def embed(self, manifest: str) -> EmbedSpec:
        """One Embeddings of it."""
        return EmbedSpec(manifest, encoder=self.encoder, precision=self.precision)

    def index(self, embeddings: str) -> IndexSpec:
        """Over its gallery and distractor rows."""
        return IndexSpec((embeddings,), kind=self.kind, metric=self.metric)

    def rank(self, index: str, embeddings: str, sample: int) -> RankSpec:
        """Of its query rows."""
        return RankSpec(index, (embeddings,), k=self.k, exact=self.exact, sample=sample, seed=self.seed)

    def evaluate(self, rankings: str) -> EvaluateSpec:
        """Of those lists."""
        return EvaluateSpec(
            rankings, truth=self.truth, protocol=self.protocol, seed=self.seed, allow_leakage=self.allow_leakage
        )

    def conflicts(self) -> Iterator[str]:
        """Yield what does not go together."""
        for name in ("gallery", "queries", "distractors"):
            if getattr(self, name) == "":
                yield f"--{name}: expected a folder or list, found nothing"


def run(spec: RunSpec, job: Job) -> Outcome:
    """Chain the stages; each takes what is there already."""
    from revsearch.stages.build_index import build_index
    from revsearch.stages.embed import embed
    from revsearch.stages.evaluate import evaluate
    from revsearch.stages.manifest import make_manifest
    from revsearch.stages.rank import rank

    store, resources = job.store, job.resources
    _require_what_comes_later(spec, job)
    manifest = make_manifest(spec.manifest, store, resources)
    embeddings = embed(spec.embed(str(manifest)), store, resources)
    index = build_index(spec.index(str(embeddings)), store, resources)
    sample = 0 if _says_what_is_right(spec, manifest.card.facts) else SAMPLED_QUERIES
    rankings = rank(spec.rank(str(index), str(embeddings), sample), store, resources)
    evaluation = evaluate(spec.evaluate(str(rankings)), store, resources)
    made = (manifest, embeddings, index, rankings, evaluation)
    return Outcome(
        artifact=rankings,
        artifacts=made,
        counts=_counts(manifest.card.counts, embeddings.card.counts),
        related={artifact.kind: str(artifact) for artifact in made},
        metrics=evaluation.card.facts["metrics"],
        paths=report_path(evaluation),
    )


def plan(spec: RunSpec, job: Job) -> Plan:
    """Say what the first stage would take in: what follows rests on what it finds."""
    from revsearch.stages.manifest import plan_manifest

    _require_what_comes_later(spec, job)
    return plan_manifest(spec.manifest, job.store, job.resources)


def _require_what_comes_later(spec: RunSpec, job: Job) -> None:
    """Refuse an encoder or a truth file that is not to be had now, and not when hours of work are done."""
    from revsearch.stages.encoders import find_encoder
    from revsearch.stages.evaluate import read_truth

    find_encoder(spec.embed(""), job.store)
    if spec.truth is not None:
        read_truth(spec.truth)


def _counts(collected: "Counts", embedded: "Counts") -> "Counts":
    """Account for every file that went in: rejected when the manifest was made, or by embedding."""
    rejected = Counter(collected.rejected) + Counter(embedded.rejected)
    return replace(collected, n_ok=embedded.n_ok, rejected=dict(rejected))


def _says_what_is_right(spec: RunSpec, facts: Mapping[str, Any]) -> bool:
    """Say whether all queries are worth ranking: they are named as such, or something says which images are alike."""
    return bool(facts["roles"].get("query") or facts["n_labelled"] or facts["n_grouped"] or spec.truth) or (
        spec.protocol != "auto"
    )


COMMAND = Command(spec=RunSpec, run=run, plan=plan)

if __name__ == "__main__":
    launch(COMMAND)

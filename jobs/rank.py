"""Rank the gallery for every query: top-k lists, best first."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.launch import Command, Job, Outcome, Plan, launch
from revsearch.specs import EmbedSpec, ManifestSpec, RankSpec

if TYPE_CHECKING:
    from revsearch.ranking import Rankings


def run(spec: RankSpec, job: Job) -> Outcome:
    """Rank the rows of embeddings, the images of folders (embedded first), or a few image files in this process."""
    paths = [Path(query) for query in spec.queries]
    if paths and all(path.is_file() for path in paths):
        return _rank_files(spec, paths, job)
    if any(path.is_dir() for path in paths):
        return _rank_folders(spec, job)
    from revsearch.stages.rank import rank

    artifact = rank(spec, job.store, job.resources)
    return Outcome(artifact=artifact)


def plan(spec: RankSpec, job: Job) -> Plan:
    """Say what `run` would do with the rows of embeddings."""
    from revsearch.stages.rank import plan_rank

    return plan_rank(spec, job.store, job.resources)


def _rank_files(spec: RankSpec, files: list[Path], job: Job) -> Outcome:
    from revsearch.stages.search import search_files
    from revsearch.storage.catalog import resolve

    index = resolve(job.store, spec.index, "index")
    return Outcome(lines=tuple(_lines(search_files(files, index, job.store, spec.k))))


def _rank_folders(spec: RankSpec, job: Job) -> Outcome:
    from revsearch.stages.embed import embed
    from revsearch.stages.manifest import make_manifest
    from revsearch.stages.rank import rank
    from revsearch.storage.catalog import resolve

    index = resolve(job.store, spec.index, "index")
    manifest = make_manifest(ManifestSpec(spec.queries, role="query"), job.store, job.resources)
    embeddings = embed(EmbedSpec(str(manifest), encoder=str(index)), job.store, job.resources)
    rankings = rank(replace(spec, queries=(str(embeddings),)), job.store, job.resources)
    related = {"manifest": str(manifest), "embeddings": str(embeddings)}
    return Outcome(artifact=rankings, artifacts=(manifest, embeddings), related=related)


def _lines(rankings: "Rankings") -> list[str]:
    lines = []
    for query, ids, scores in rankings:
        lines.append(query)
        lines += [
            f"{place:4d}  {score:9.6f}  {id}" for place, (id, score) in enumerate(zip(ids, scores, strict=True), 1)
        ]
    return lines


COMMAND = Command(spec=RankSpec, run=run, plan=plan)

if __name__ == "__main__":
    launch(COMMAND)

"""Rank the gallery for every query: top-k lists, best first."""

from dataclasses import replace
from typing import TYPE_CHECKING

from jobs.launch import Command, Job, Outcome, Plan, launch
from revsearch.errors import InvalidSpec, MissingArtifact
from revsearch.specs import EmbedSpec, ManifestSpec, RankSpec

if TYPE_CHECKING:
    from revsearch.ranking import Rankings


def run(spec: RankSpec, job: Job) -> Outcome:
    """Rank the rows of embeddings, the images of a folder (embedded first), or a few image files in this process."""
    kinds = _kinds(spec)
    if kinds == {"file"}:
        return _rank_files(spec, job)
    if kinds == {"folder"}:
        return _rank_folder(spec, job)
    from revsearch.stages.rank import rank

    return Outcome(artifact=rank(_of_embeddings(spec, job), job.store, job.resources))


def plan(spec: RankSpec, job: Job) -> Plan:
    """Say what `run` would do; of a folder, what its first stage would take in."""
    kinds = _kinds(spec)
    if kinds == {"file"}:
        note = "image files: in this process, nothing is committed"
        return Plan(len(spec.queries), 0, sum(map(_size, spec.queries)), job.resources, note)
    if kinds == {"folder"}:
        from revsearch.stages.manifest import plan_manifest

        return plan_manifest(_manifest(spec), job.store, job.resources)
    from revsearch.stages.rank import plan_rank

    return plan_rank(_of_embeddings(spec, job), job.store, job.resources)


def _kinds(spec: RankSpec) -> set[str | None]:
    from revsearch.storage.files import kind_at

    return {kind_at(query) for query in spec.queries}


def _size(file: str) -> int:
    from revsearch.storage.roots import place_of

    place = place_of(file)
    return int(place.root.facts([place.location]).sizes[0])


def _of_embeddings(spec: RankSpec, job: Job) -> RankSpec:
    """Return the spec with the one query that is no path as the embeddings it names."""
    from revsearch.storage.catalog import resolve
    from revsearch.storage.files import kind_at

    if len(spec.queries) != 1:
        gone = [query for query in spec.queries if kind_at(query) is None]
        found = f"no such file: {', '.join(map(repr, gone))}" if gone else "files and folders together"
        raise InvalidSpec(f"QUERIES: expected image files, one folder, or one embeddings id, found {found}")
    (query,) = spec.queries
    try:
        return replace(spec, queries=(str(resolve(job.store, query, "embeddings")),))
    except MissingArtifact as error:
        raise MissingArtifact(f"QUERIES: no file or folder {query!r}, and {error}") from error


def _rank_files(spec: RankSpec, job: Job) -> Outcome:
    from revsearch.stages.search import search_files
    from revsearch.storage.catalog import resolve

    if job.options.name is not None:
        raise InvalidSpec("--name: ranking image files makes no artifact to name; rank a folder, or leave --name out")
    if spec.sample:
        raise InvalidSpec("--sample: image files are ranked one and all; leave it out, or rank a folder")
    index = resolve(job.store, spec.index, "index")
    return Outcome(lines=tuple(_lines(search_files(spec.queries, index, job.store, spec.k))))


def _rank_folder(spec: RankSpec, job: Job) -> Outcome:
    from revsearch.stages.embed import embed
    from revsearch.stages.manifest import make_manifest
    from revsearch.stages.rank import rank
    from revsearch.storage.catalog import resolve

    index = resolve(job.store, spec.index, "index")
    manifest = make_manifest(_manifest(spec), job.store, job.resources)
    embeddings = embed(EmbedSpec(str(manifest), encoder=str(index)), job.store, job.resources)
    rankings = rank(replace(spec, queries=(str(embeddings),)), job.store, job.resources)
    related = {"manifest": str(manifest), "embeddings": str(embeddings)}
    return Outcome(artifact=rankings, artifacts=(manifest, embeddings), related=related)


def _manifest(spec: RankSpec) -> ManifestSpec:
    return ManifestSpec(spec.queries, role="query")


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

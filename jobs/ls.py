"""List the committed artifacts and the refs of a store."""

from dataclasses import dataclass

from jobs.failure import all_corrupt
from jobs.launch import Command, Job, Outcome, launch
from revsearch.specs import option


@dataclass(frozen=True)
class LsSpec:
    """List the committed artifacts and the refs of a store."""

    kind: tuple[str, ...] = option((), help="kinds to list (default: all)", positional=True)


def run(spec: LsSpec, job: Job) -> Outcome:
    """List, a line each: id, rows in and ok, the refs that point to it. What is corrupt ends it with exit 5."""
    from revsearch.errors import CorruptArtifact, InvalidSpec
    from revsearch.specs import did_you_mean
    from revsearch.storage.artifact import load
    from revsearch.storage.card import KINDS
    from revsearch.storage.catalog import list_artifacts
    from revsearch.storage.refs import list_refs

    if unknown := [kind for kind in spec.kind if kind not in KINDS]:
        kinds = ", ".join(KINDS)
        raise InvalidSpec(
            *(f"expected a kind of {kinds}, found {kind!r}{did_you_mean(kind, KINDS)}" for kind in unknown)
        )
    refs = list_refs(job.store)
    lines, corrupt = [], []
    for name in list_artifacts(job.store):
        if not spec.kind or name.split("/")[0] in spec.kind:
            named = "".join(f"  {ref}" for ref, artifact in refs.items() if artifact == name)
            try:
                counts = load(job.store, name).card.counts
            except CorruptArtifact as error:
                corrupt.append(error)
                lines.append(f"{name}  corrupt{named}")
            else:
                lines.append(f"{name}  {counts.n_in} in  {counts.n_ok} ok{named}")
    return Outcome(lines=tuple(lines), failure=all_corrupt(corrupt))


COMMAND = Command(spec=LsSpec, run=run, commits=False, computes=False)

if __name__ == "__main__":
    launch(COMMAND)

"""List the committed artifacts and the refs of a store."""

from dataclasses import dataclass

from jobs.launch import Command, Job, Outcome, launch
from revsearch.specs import option


@dataclass(frozen=True)
class LsSpec:
    """List the committed artifacts and the refs of a store."""

    kind: tuple[str, ...] = option((), help="kinds to list (default: all)", positional=True)


def run(spec: LsSpec, job: Job) -> Outcome:
    """List, a line each: id, rows in and ok, the refs that point to it."""
    from revsearch.errors import InvalidSpec
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
    lines = []
    for name in list_artifacts(job.store):
        if not spec.kind or name.split("/")[0] in spec.kind:
            counts = load(job.store, name).card.counts
            named = "".join(f"  {ref}" for ref, artifact in refs.items() if artifact == name)
            lines.append(f"{name}  {counts.n_in} in  {counts.n_ok} ok{named}")
    return Outcome(lines=tuple(lines))


COMMAND = Command(spec=LsSpec, run=run, commits=False, computes=False)

if __name__ == "__main__":
    launch(COMMAND)

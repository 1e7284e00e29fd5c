"""Show an artifact's card: what it is, what it was made of, what it holds."""

from dataclasses import dataclass

from jobs.launch import Command, Job, Outcome, launch
from revsearch.specs import option


@dataclass(frozen=True)
class ShowSpec:
    """Show an artifact's card: what it is, what it was made of, what it holds."""

    artifact: str = option(help="id, unique prefix of one, or ref", positional=True)


def run(spec: ShowSpec, job: Job) -> Outcome:
    """Print the card as it lies in the store, checked."""
    from revsearch.storage.catalog import resolve

    artifact = resolve(job.store, spec.artifact)
    return Outcome(lines=tuple(artifact.card.to_bytes().decode().splitlines()))


COMMAND = Command(spec=ShowSpec, run=run, commits=False, computes=False)

if __name__ == "__main__":
    launch(COMMAND)

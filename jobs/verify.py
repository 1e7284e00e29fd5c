"""Check every byte of artifacts against their cards."""

from dataclasses import dataclass

from jobs.failure import all_corrupt
from jobs.launch import Command, Job, Outcome, launch
from revsearch.specs import option


@dataclass(frozen=True)
class VerifySpec:
    """Check every byte of artifacts against their cards."""

    artifacts: tuple[str, ...] = option((), help="ids, unique prefixes, or refs (default: all)", positional=True)


def run(spec: VerifySpec, job: Job) -> Outcome:
    """Verify, a line each; where any is corrupt it ends with exit 5, when all were verified."""
    from revsearch.errors import CorruptArtifact
    from revsearch.storage.artifact import verify
    from revsearch.storage.catalog import list_artifacts, resolve

    lines, corrupt = [], []
    for name in spec.artifacts or list_artifacts(job.store):
        try:
            artifact = resolve(job.store, name)
            verify(job.store, artifact)
        except CorruptArtifact as error:
            corrupt.append(error)
            lines.append(f"{name}  corrupt")
        else:
            parts = artifact.card.parts
            lines.append(f"{artifact}  ok  {len(parts)} parts  {sum(part.size for part in parts)} bytes")
    return Outcome(lines=tuple(lines), failure=all_corrupt(corrupt))


COMMAND = Command(spec=VerifySpec, run=run, commits=False, computes=False)

if __name__ == "__main__":
    launch(COMMAND)

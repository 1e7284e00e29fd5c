"""Copy artifacts, and all they stand on, to another store."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.launch import Command, Job, Outcome, Plan, launch
from revsearch.errors import InvalidSpec
from revsearch.specs import option

if TYPE_CHECKING:
    from revsearch.stages.copy import Copying
    from revsearch.storage.artifact import Artifact
    from revsearch.storage.store import Store


@dataclass(frozen=True)
class CopySpec:
    """Copy artifacts, and all they stand on, to another store."""

    artifacts: tuple[str, ...] = option(help="ids, unique prefixes, or refs", positional=True)
    to: str = option(help="where to: a folder, or s3://bucket/prefix", place="path")
    name: str | None = option(None, help="move this ref of the other store to the copy")

    def conflicts(self) -> Iterator[str]:
        """Yield what is wrong with `--name`: it is used when all the work is done, which is late to hear of it."""
        if self.name is None:
            return
        from revsearch.storage.refs import require_name

        if len(self.artifacts) != 1:
            yield f"--name: expected one artifact that it is to point to, found {len(self.artifacts)}"
        try:
            require_name(self.name)
        except InvalidSpec as error:
            yield from error.problems


def run(spec: CopySpec, job: Job) -> Outcome:
    """Copy what is not there yet; a line for each artifact, what was asked for last."""
    from revsearch.storage.refs import move_ref

    target, copying = _copying(spec, job)
    if copying.writes:  # who only looks whether all is there may have leave to read alone
        target.require_writable()
    copying.run()
    if spec.name is not None:
        move_ref(target, spec.name, str(copying.artifacts[-1]))
    return Outcome(lines=tuple(_line(artifact, copying) for artifact in copying.artifacts))


def plan(spec: CopySpec, job: Job) -> Plan:
    """Return what would be copied."""
    _, copying = _copying(spec, job)
    return copying.plan


def _copying(spec: CopySpec, job: Job) -> "tuple[Store, Copying]":
    from revsearch.stages.copy import Copying
    from revsearch.storage.catalog import resolve
    from revsearch.storage.opening import open_store

    target = open_store(spec.to, asked="--to")
    if target.uri == job.store.uri:
        raise InvalidSpec(f"--to: expected another store than --store, found {target.uri}")
    return target, Copying.of([resolve(job.store, name) for name in spec.artifacts], job.store, target)


def _line(artifact: "Artifact", copying: "Copying") -> str:
    if artifact not in copying.shipment.artifacts:
        return f"{artifact}  there already"
    parts = artifact.card.parts
    return f"{artifact}  copied  {len(parts)} parts  {sum(part.size for part in parts)} bytes"


COMMAND = Command(spec=CopySpec, run=run, plan=plan, commits=False, computes=False)

if __name__ == "__main__":
    launch(COMMAND)

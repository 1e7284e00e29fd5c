"""Write an artifact in a form that other programs read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jobs.launch import Command, Job, Outcome, launch
from revsearch.specs import option


@dataclass(frozen=True)
class ExportSpec:
    """Write an artifact in a form that other programs read."""

    artifact: str = option(help="embeddings id, unique prefix of one, or ref", positional=True)
    out: str = option(help="folder to write to")
    format: Literal["npy"] = option("npy", help="npy: vectors.npy float32 [n, dim], ids.jsonl, rejects.csv")


def run(spec: ExportSpec, job: Job) -> Outcome:
    """Write vectors and ids, in manifest order."""
    from revsearch.stages.export import export_npy
    from revsearch.storage.catalog import resolve

    out = Path(spec.out)
    export_npy(job.store, resolve(job.store, spec.artifact, "embeddings"), out)
    return Outcome(path=out)


COMMAND = Command(spec=ExportSpec, run=run, commits=False, computes=False)

if __name__ == "__main__":
    launch(COMMAND)

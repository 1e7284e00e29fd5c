"""Write an artifact in a form that other programs read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jobs.launch import Command, Job, Outcome, launch
from revsearch.errors import InvalidSpec
from revsearch.specs import option

Format = Literal["npy", "safetensors"]
KINDS: Mapping[Format, str] = {"npy": "embeddings", "safetensors": "encoder"}


@dataclass(frozen=True)
class ExportSpec:
    """Write an artifact in a form that other programs read."""

    artifact: str = option(help="id of embeddings or of an encoder, unique prefix of one, or ref", positional=True)
    out: str = option(help="folder to write to", place="path")
    format: Format | None = option(
        None,
        help="npy, of embeddings: vectors.npy float32 [n, dim], ids.jsonl, rejects.csv; safetensors, of an encoder: "
        "weights.safetensors, space.json (default: that of its kind)",
    )


def run(spec: ExportSpec, job: Job) -> Outcome:
    """Write vectors and ids in manifest order, or the weights of a trained encoder and the space they make."""
    from revsearch.stages.export import export_npy, export_safetensors
    from revsearch.storage.catalog import resolve

    out, artifact = Path(spec.out), resolve(job.store, spec.artifact)
    kinds = [KINDS[spec.format]] if spec.format else list(KINDS.values())
    if artifact.kind not in kinds:
        raise InvalidSpec(f"expected an artifact of kind {' or '.join(kinds)}, found {artifact} ({spec.artifact!r})")
    write = export_npy if artifact.kind == "embeddings" else export_safetensors
    write(job.store, artifact, out)
    return Outcome(path=out)


COMMAND = Command(spec=ExportSpec, run=run, commits=False, computes=False)

if __name__ == "__main__":
    launch(COMMAND)

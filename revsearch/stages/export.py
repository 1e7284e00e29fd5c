"""Artifacts in forms that other programs read."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from revsearch.embeddings import Vectors
from revsearch.errors import DiskFull, InvalidSpec
from revsearch.fingerprint import canonical_json
from revsearch.render.csv import write_csv
from revsearch.storage.artifact import Artifact, fetch
from revsearch.storage.reject_table import read_rejects
from revsearch.storage.store import NO_ROOM, Store
from revsearch.storage.vectors import StoredEmbeddings

_WRITTEN_AT_ONCE = 8_192  # vectors


def export_npy(store: Store, artifact: Artifact, out: Path) -> None:
    """Write embeddings as `vectors.npy` (float32 `[n, dim]`, manifest order), `ids.jsonl` and `rejects.csv`.

    An id may hold any character, also a line end: `ids.jsonl` has one JSON string a line, in the order of the vectors.

    Raises:
        InvalidSpec, DiskFull: where `out` cannot be written.
    """
    embeddings = StoredEmbeddings(store, artifact)
    rejects = [(reject.id, reject.reason, reject.message) for reject in read_rejects(store, artifact)]
    with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
        found = embeddings.read(embeddings.rows(), Path(folder) / "vectors")
        with _written_to(out):
            _write_npy(out / "vectors.npy", found.vectors)
            (out / "ids.jsonl").write_bytes(b"".join(canonical_json(id) + b"\n" for id in found.ids))
            (out / "rejects.csv").write_text(write_csv(("id", "reason", "message"), rejects), newline="")


def export_safetensors(store: Store, artifact: Artifact, out: Path) -> None:
    """Write a trained encoder as `weights.safetensors`, its state dict, and `space.json`, what is to be done with it.

    Raises:
        InvalidSpec, DiskFull: where `out` cannot be written.
        CorruptArtifact: where the weights are not those of the card.
    """
    with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
        weights = fetch(store, str(artifact), artifact.part("weights"), Path(folder))
        with _written_to(out):
            shutil.copyfile(weights, out / "weights.safetensors")
            (out / "space.json").write_bytes(canonical_json(artifact.card.facts["space"]) + b"\n")


@contextmanager
def _written_to(out: Path) -> Iterator[None]:
    """Make the folder that the block writes to, and say in our own words where it cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise DiskFull(f"--out {out}: no room left; make room and export again") from error
        raise InvalidSpec(f"--out {out}: cannot be written: {error.strerror}") from error


def _write_npy(path: Path, vectors: Vectors) -> None:
    """Write a matrix that may be larger than memory, a block at a time."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": vectors.shape})
        for start in range(0, len(vectors), _WRITTEN_AT_ONCE):
            file.write(np.ascontiguousarray(vectors[start : start + _WRITTEN_AT_ONCE], "<f4").tobytes())

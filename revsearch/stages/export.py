"""Artifacts in forms that other programs read."""

import tempfile
from pathlib import Path

import numpy as np

from revsearch.errors import InvalidSpec
from revsearch.fingerprint import canonical_json
from revsearch.render.csv import write_csv
from revsearch.storage.artifact import Artifact
from revsearch.storage.reject_table import read_rejects
from revsearch.storage.store import Store
from revsearch.storage.vectors import StoredEmbeddings

_COPIED_AT_ONCE = 8_192  # vectors


def export_npy(store: Store, artifact: Artifact, out: Path) -> None:
    """Write embeddings as `vectors.npy` (float32 `[n, dim]`, manifest order), `ids.jsonl` and `rejects.csv`.

    An id may hold any character, also a line end: `ids.jsonl` has one JSON string a line, in the order of the vectors.

    Raises:
        InvalidSpec: where `out` cannot be written.
    """
    embeddings = StoredEmbeddings(store, artifact)
    with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
        found = embeddings.read(embeddings.rows(), Path(folder) / "vectors")
        try:
            out.mkdir(parents=True, exist_ok=True)
            # A new file, in the array's own format, that is filled block by block: it may be larger than memory.
            matrix = np.lib.format.open_memmap(out / "vectors.npy", "w+", np.float32, found.vectors.shape)
            for start in range(0, len(found), _COPIED_AT_ONCE):
                matrix[start : start + _COPIED_AT_ONCE] = found.vectors[start : start + _COPIED_AT_ONCE]
            matrix.flush()
            (out / "ids.jsonl").write_bytes(b"".join(canonical_json(id) + b"\n" for id in found.ids))
            rejects = [(reject.id, reject.reason, reject.message) for reject in read_rejects(store, artifact)]
            (out / "rejects.csv").write_text(write_csv(("id", "reason", "message"), rejects), newline="")
        except OSError as error:
            raise InvalidSpec(f"--out {out}: cannot be written: {error.strerror}") from error

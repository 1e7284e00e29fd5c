"""Names for results: a hash of what was asked (spec, input ids, stage revision), never of when or where."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

ID_LENGTH = 12


def canonical_json(value: object) -> bytes:
    """Serialise plain values (dict, list, str, int, float, bool, None) to the one byte string equal values share.

    Raises:
        ValueError: for NaN and infinities, which JSON cannot carry.
        TypeError: for anything that is not a plain value.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hex digits, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(stage: str, revision: int, asked: Mapping[str, object]) -> str:
    """Return the 12 hex digits that name what `stage` makes of `asked` (resolved spec fields and input ids).

    `revision` is the constant beside the stage's code that is raised whenever its results change.
    """
    return sha256_hex(canonical_json({"stage": stage, "revision": revision, "asked": dict(asked)}))[:ID_LENGTH]

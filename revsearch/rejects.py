"""Rejects: input rows that leave the chain, each with one reason of a closed enum. in == ok + rejected."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from revsearch.redaction import redacted


class Reason(StrEnum):
    """Why a row was rejected. The values are part of the artifact format."""

    # seen on the file, before its bytes are read
    NOT_REGULAR = "not_regular"
    SYMLINK = "symlink"
    OUTSIDE_ROOT = "outside_root"
    PERMISSION = "permission"
    MISSING = "missing"
    EMPTY = "empty"
    TOO_MANY_BYTES = "too_many_bytes"
    PARSE = "parse"
    # seen in the header
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_EXTREME = "too_extreme"
    # seen in the pixels
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    # seen in the vector
    ZERO_NORM = "zero_norm"
    NOT_FINITE = "not_finite"
    # seen in the set
    DUPLICATE_OF_GALLERY = "duplicate_of_gallery"
    # seen in the run
    TIMEOUT = "timeout"
    WORKER_CRASH = "worker_crash"
    STORE_ERROR = "store_error"

    @property
    def transient(self) -> bool:
        """Whether the same row may succeed when it is tried again."""
        return self in _TRANSIENT


_TRANSIENT = frozenset({Reason.PERMISSION, Reason.MISSING, Reason.TIMEOUT, Reason.WORKER_CRASH, Reason.STORE_ERROR})

TRIES = 2  # of a row whose reject may pass

# Accounted for, but the user's set is not the worse for it: not held against --max-reject-rate.
EXPECTED = frozenset({Reason.DUPLICATE_OF_GALLERY})


@dataclass(frozen=True, slots=True)
class Reject:
    """One rejected row: its id, where it lay, the stage that rejected it, why, at which attempt; its role if known."""

    id: str
    uri: str
    stage: str
    reason: Reason
    message: str
    attempt: int = 1
    role: str | None = None


class Rejection(Exception):
    """Raised where one image cannot go on; the stage that reads rows turns it into a `Reject`."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(redacted(message))
        self.reason = reason


def count_reasons(reasons: Iterable[str]) -> dict[str, int]:
    """Count rejects by reason, most frequent first, ties by name."""
    return dict(sorted(Counter(reasons).items(), key=lambda item: (-item[1], item[0])))

"""The card: what an artifact is, what it was made of, what it holds. Written last, with its own hash."""

import dataclasses
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Literal, Self, get_args

from revsearch.errors import CorruptArtifact, IncompleteEmbeddings
from revsearch.fingerprint import canonical_json, sha256_hex
from revsearch.rejects import EXPECTED

Kind = Literal["manifest", "encoder", "embeddings", "index", "rankings", "evaluation"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SCHEMA = 1  # raised whenever older code could not read what newer code writes

_VERSIONS_OF = ("revsearch", "numpy", "pillow", "pyarrow", "torch", "torchvision", "hnswlib", "ray")


@dataclass(frozen=True, slots=True)
class Counts:
    """Accounting of one artifact: every input row ends exactly once."""

    n_in: int
    n_ok: int
    rejected: Mapping[str, int] = field(default_factory=dict)  # by reason
    n_ignored: int = 0  # files that are no pictures by their name's kind; not part of n_in

    def __post_init__(self) -> None:
        if self.n_in != self.n_ok + self.n_rejected:
            raise IncompleteEmbeddings(f"accounting does not close: {self.n_in} in, {self.n_ok} ok, {self.rejected}")

    @property
    def n_rejected(self) -> int:
        """Rejected rows, of all reasons."""
        return sum(self.rejected.values())

    @property
    def reject_rate(self) -> float:
        """Share of the rows that was rejected for a reason the user should know of."""
        held_against = sum(n for reason, n in self.rejected.items() if reason not in EXPECTED)
        return held_against / self.n_in if self.n_in else 0.0


@dataclass(frozen=True, slots=True)
class Part:
    """One immutable file of an artifact."""

    name: str
    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class Card:
    """What an artifact is, what it was made of and what it holds.

    `facts` are what the next stage needs (space, metric, dims); `seconds` are per step; `versions` of the libraries.
    """

    kind: Kind
    id: str
    spec: Mapping[str, Any]
    inputs: Mapping[str, Any]
    counts: Counts
    parts: tuple[Part, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    schema: int = SCHEMA

    def to_bytes(self) -> bytes:
        """Serialise, with the hash of everything else under `sha256`."""
        body = dataclasses.asdict(self)
        return _pretty(body, sha256_hex(canonical_json(body)))

    @classmethod
    def from_bytes(cls, raw: bytes, where: str) -> Self:
        """Parse and check a card.

        Raises:
            CorruptArtifact: where its hash or form is not right, or it is of a newer schema.
        """
        try:
            body = _signed_body(raw)
            if body["schema"] > SCHEMA:
                raise CorruptArtifact(
                    f"{where}/card.json: expected schema up to {SCHEMA}, found {body['schema']}; upgrade revsearch",
                    reason="newer_schema",
                )
            counts, parts = Counts(**body["counts"]), tuple(Part(**part) for part in body["parts"])
            return cls(**{**body, "counts": counts, "parts": parts})
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise CorruptArtifact(broken_card(where, str(error))) from error


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries results depend on."""
    found = {"python": platform.python_version()}
    for name in _VERSIONS_OF:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def broken_card(where: str, why: str) -> str:
    """Return the message for a card that cannot be trusted, and what to do about it."""
    return f"{where}/card.json is corrupt ({why}); remove {where} and run the command that made it again"


def _signed_body(raw: bytes) -> dict[str, Any]:
    """Return what a card says; ValueError where its hash is another, or `to_bytes` would write it otherwise."""
    body: dict[str, Any] = json.loads(raw)
    claimed = body.pop("sha256")
    if claimed != sha256_hex(canonical_json(body)) or _pretty(body, claimed) != raw:
        raise ValueError("its hash does not match")
    return body


def _pretty(body: dict[str, Any], claimed: str) -> bytes:
    return json.dumps({**body, "sha256": claimed}, indent=1).encode()

"""Artifacts from one store to another: parts first, each checked on the way; the cards when all parts are there.

What a stopped copy left is taken up by the next: parts are named by their content, and a key is whole or absent.
"""

import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from revsearch.errors import Conflict
from revsearch.storage.artifact import Artifact, fetch, find, load, same_account
from revsearch.storage.card import Part
from revsearch.storage.store import Store

_THREADS = 8  # parts under way at once: what is held of each is a file on this machine's disk, and no memory


@dataclass(frozen=True)
class Shipment:
    """What has to go from one store to another.

    Attributes:
        artifacts: those that are not there yet, inputs before what stands on them.
        parts: of those, the parts that are not there yet.
    """

    source: Store
    target: Store
    artifacts: tuple[Artifact, ...]
    parts: tuple[tuple[Artifact, Part], ...]

    @classmethod
    def of(cls, artifacts: Iterable[Artifact], source: Store, target: Store) -> Self:
        """Return what of some artifacts the target does not have.

        Raises:
            Conflict: where it has one under the same id that accounts for the rows in another way.
        """
        missing = tuple(each for each in artifacts if not _is_there(each, source, target))
        return cls(source, target, missing, tuple(_missing_parts(missing, target)))

    @property
    def n_bytes(self) -> int:
        """Bytes of the parts."""
        return sum(part.size for _, part in self.parts)

    def send_parts(self) -> Iterator[Part]:
        """Copy the parts, several at once, and yield each that is there.

        Raises:
            CorruptArtifact: where the bytes of one are not what its card says.
        """
        with ThreadPoolExecutor(_THREADS) as pool:
            yield from pool.map(self._send, self.parts)

    def commit(self) -> None:
        """Write the cards: only now are the artifacts there. To be called when all parts are.

        Raises:
            Conflict: where somebody else committed another account under one of the ids meanwhile.
        """
        for artifact in self.artifacts:
            if not self.target.create_if_absent(f"{artifact}/card.json", artifact.card.to_bytes()):
                _require_same(artifact, load(self.target, str(artifact)), self.source, self.target)

    def _send(self, one: tuple[Artifact, Part]) -> Part:
        artifact, part = one
        with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
            path = fetch(self.source, str(artifact), part, Path(folder))
            self.target.upload(f"{artifact}/{part.name}", path)
        return part


def _is_there(artifact: Artifact, source: Store, target: Store) -> bool:
    theirs = find(target, artifact.kind, artifact.id)
    if theirs is not None:
        _require_same(artifact, theirs, source, target)
    return theirs is not None


def _require_same(ours: Artifact, theirs: Artifact, source: Store, target: Store) -> None:
    """Refuse another result under the same id; one made there from the same inputs will do as well as ours."""
    if not same_account(ours.card, source, theirs.card, target):
        raise Conflict(
            f"{ours}: {target.uri} has another of that id: expected {ours.card.counts}, found {theirs.card.counts}, or "
            f"other rows rejected; `verify` both, and remove the one that is wrong"
        )


def _missing_parts(artifacts: Iterable[Artifact], target: Store) -> Iterator[tuple[Artifact, Part]]:
    for artifact in artifacts:
        there = {(info.key, info.size) for info in target.list(f"{artifact}/")}
        for part in artifact.card.parts:
            if (f"{artifact}/{part.name}", part.size) not in there:
                yield artifact, part

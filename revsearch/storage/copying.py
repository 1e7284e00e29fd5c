"""Artifacts from one store to another: parts first, each checked on the way; the cards when all parts are there.

What a stopped copy left is taken up by the next: parts are named by their content, and a key is whole or absent.
"""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from revsearch.errors import Conflict
from revsearch.storage.artifact import Artifact, fetch, find, is_whole, load, same_account
from revsearch.storage.card import Part
from revsearch.storage.store import Store
from revsearch.storage.threads import in_threads

# Parts under way at once. Of each that comes from a bucket this machine holds a file on its disk and up to 18 MiB of
# memory (`s3.transfers`): what was received and is not written yet. Of one in a folder it holds 1 MiB.
_THREADS = 8


@dataclass(frozen=True)
class Shipment:
    """What has to go from one store to another.

    Attributes:
        artifacts: those that are not there yet, inputs before what stands on them.
        parts: of those, the parts that are not there yet.
        found: of those, the parts that are: somebody left them, and they are looked at before they count.
    """

    source: Store
    target: Store
    artifacts: tuple[Artifact, ...]
    parts: tuple[tuple[Artifact, Part], ...]
    found: tuple[tuple[Artifact, Part], ...]

    @classmethod
    def of(cls, artifacts: Iterable[Artifact], source: Store, target: Store) -> Self:
        """Return what of some artifacts the target does not have.

        Raises:
            Conflict: where it has one under the same id that accounts for the rows in another way.
        """
        missing = tuple(each for each in artifacts if not _is_there(each, source, target))
        there = {(info.key, info.size) for artifact in missing for info in target.list(f"{artifact}/")}
        found: list[tuple[Artifact, Part]] = []
        parts: list[tuple[Artifact, Part]] = []
        for artifact in missing:
            for part in artifact.card.parts:
                (found if (_key(artifact, part), part.size) in there else parts).append((artifact, part))
        return cls(source, target, missing, tuple(parts), tuple(found))

    @property
    def n_bytes(self) -> int:
        """Bytes of the parts."""
        return sum(part.size for _, part in self.parts)

    def send_parts(self) -> Iterator[Part]:
        """Copy the parts, several at once, also those found that are damaged; yield each when it is there.

        Raises:
            CorruptArtifact: where the bytes of one are not what its card says.
        """
        yield from in_threads(_THREADS, self._check_and_send, self.found)
        yield from in_threads(_THREADS, self._send, self.parts)

    def commit(self) -> None:
        """Write the cards: only now are the artifacts there. To be called when all parts are.

        Raises:
            Conflict: where somebody else committed another account under one of the ids meanwhile.
        """
        for artifact in self.artifacts:
            if not self.target.create_if_absent(f"{artifact}/card.json", artifact.card.to_bytes()):
                _require_same(artifact, load(self.target, str(artifact)), self.source, self.target)

    def _check_and_send(self, one: tuple[Artifact, Part]) -> Part:
        artifact, part = one
        return part if is_whole(self.target, str(artifact), part) else self._send(one)

    def _send(self, one: tuple[Artifact, Part]) -> Part:
        artifact, part = one
        # A process that is stopped removes the folder at its end, while a thread may still write there.
        with tempfile.TemporaryDirectory(prefix="revsearch-", ignore_cleanup_errors=True) as folder:
            path = fetch(self.source, str(artifact), part, Path(folder))
            self.target.upload(_key(artifact, part), path)
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


def _key(artifact: Artifact, part: Part) -> str:
    return f"{artifact}/{part.name}"

"""Artifacts: parts, then a card. An artifact is there only when its card is there.

`complete` is the only resume logic.
"""

import json
import logging
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import choose_parts
from revsearch.errors import Conflict, CorruptArtifact, IncompleteEmbeddings, InvalidSpec, MissingArtifact
from revsearch.fingerprint import file_sha256, sha256_hex
from revsearch.storage import parquet
from revsearch.storage.card import KINDS, Card, Counts, Kind, Part, broken_card, library_versions
from revsearch.storage.store import Store

_LOG = logging.getLogger(__name__)

_PART = re.compile(r"(?P<stem>[a-z0-9-]+)-(?P<sha256>[0-9a-f]{64})(?P<suffix>\.[a-z]+)")


@dataclass(frozen=True)
class Artifact:
    """A committed result."""

    card: Card
    path: str  # its place under the store's address
    fresh: bool = field(default=False, compare=False)  # whether it was committed just now, and not found

    @property
    def kind(self) -> Kind:
        """What it is."""
        return self.card.kind

    @property
    def id(self) -> str:
        """12 hex digits."""
        return self.card.id

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"

    def parts(self, stem: str) -> list[Part]:
        """Return the parts whose name starts with `stem-`."""
        return [part for part in self.card.parts if part.name.startswith(f"{stem}-")]

    def part(self, stem: str) -> Part:
        """Return the one part of that stem; CorruptArtifact where there is none or more."""
        found = self.parts(stem)
        if len(found) != 1:
            raise CorruptArtifact(f"{self}: expected one part {stem}, found {len(found)}", reason="parts")
        return found[0]


@dataclass
class Draft:
    """An artifact in the making. Its id is fixed; parts are put one by one; `commit` makes it visible."""

    store: Store
    kind: Kind
    id: str
    spec: Mapping[str, Any]
    inputs: Mapping[str, Any]

    @property
    def prefix(self) -> str:
        """Where its parts lie."""
        return f"{self.kind}/{self.id}"

    def find(self) -> Artifact | None:
        """Return the artifact if it is committed; a corrupt card is an error, never a missing one."""
        return find(self.store, self.kind, self.id)

    def begin(self) -> Artifact | None:
        """Return the artifact if it is committed: who may only read still gets it. Else work is to begin.

        Raises:
            InvalidSpec: where it could not be stored: now, and not when hours of work are done.
        """
        artifact = self.find()
        if artifact is None:
            self.store.require_writable()
        return artifact

    def put(self, stem: str, suffix: str, data: bytes) -> Part:
        """Store one part under its content name."""
        part = Part(f"{stem}-{sha256_hex(data)}{suffix}", len(data), sha256_hex(data))
        self.store.write(f"{self.prefix}/{part.name}", data)
        return part

    def put_file(self, stem: str, suffix: str, path: Path) -> Part:
        """Store a local file as one part, without holding it in memory."""
        sha256 = file_sha256(path)
        part = Part(f"{stem}-{sha256}{suffix}", path.stat().st_size, sha256)
        self.store.upload(f"{self.prefix}/{part.name}", path)
        return part

    def found_parts(self, stem: str) -> list[Part]:
        """Return the parts that an earlier run left, by name."""
        found = []
        for info in self.store.list(f"{self.prefix}/{stem}-"):
            if match := _PART.fullmatch(info.key.rpartition("/")[2]):
                found.append(Part(match.group(0), info.size, match.group("sha256")))
        return found

    def discard_damaged(self, stem: str) -> None:
        """Remove the parts an earlier run left whose bytes are not what their name says: they are made again."""
        for part in self.found_parts(stem):
            if not is_whole(self.store, self.prefix, part):
                self.store.delete(f"{self.prefix}/{part.name}")

    def commit(
        self,
        counts: Counts,
        parts: Sequence[Part],
        *,
        facts: Mapping[str, Any] | None = None,
        seconds: Mapping[str, float] | None = None,
    ) -> Artifact:
        """Write the card. The loser of a race takes the winner's artifact where both say the same.

        Raises:
            Conflict: where the winner accounted for the rows in another way.
        """
        card = Card(
            kind=self.kind,
            id=self.id,
            spec=_plain(self.spec),
            inputs=_plain(self.inputs),
            counts=counts,
            parts=tuple(sorted(parts, key=lambda part: part.name)),
            facts=_plain(facts or {}),
            seconds={step: round(s, 3) for step, s in (seconds or {}).items()},
            versions=library_versions(),
        )
        if self.store.create_if_absent(f"{self.prefix}/card.json", card.to_bytes()):
            return Artifact(card, f"{self.store.uri}/{self.prefix}", fresh=True)
        winner = load(self.store, self.prefix)
        if not same_account(card, self.store, winner.card, self.store):
            raise Conflict(
                f"{winner} was committed meanwhile with {winner.card.counts}, this run has {card.counts}, or rejected "
                f"other rows; run `verify {winner}`"
            )
        return winner


def complete(
    draft: Draft,
    n_rows: int,
    *,
    read_rows: Callable[[Part], NDArray[np.int64]],
    do: Callable[[NDArray[np.int64]], None],
    finish: Callable[[list[Part]], Artifact],
) -> Artifact:
    """Bring an artifact of row parts to its end, from wherever an earlier run left it.

    Args:
        draft: the artifact.
        n_rows: rows that must end up in exactly one part each.
        read_rows: gives the rows a part holds, int64 `[m]`.
        do: does the missing rows, int64 `[m]` ascending, and stores parts of the stem `part`.
        finish: commits, given the parts that are needed, each row in one of them at least; where parts overlap, the
            first by name counts (`embeddings.choose_parts`).

    Raises:
        IncompleteEmbeddings: where rows are missing after `do`.
    """
    if (artifact := draft.find()) is not None:
        return artifact
    draft.discard_damaged("part")
    missing = np.ones(n_rows, bool)
    for part in draft.found_parts("part"):
        missing[read_rows(part)] = False
    if missing.any():
        do(np.flatnonzero(missing))
    parts = draft.found_parts("part")
    chosen = choose_parts(n_rows, [read_rows(part) for part in parts])
    return finish([part for part, keep in zip(parts, chosen, strict=True) if keep.any()])


def find(store: Store, kind: Kind, id: str) -> Artifact | None:
    """Return a committed artifact, or None where there is no card."""
    try:
        raw = store.read(f"{kind}/{id}/card.json")
    except MissingArtifact:
        return None
    path = f"{store.uri}/{kind}/{id}"
    card = Card.from_bytes(raw, path)
    if (card.kind, card.id) != (kind, id):
        raise CorruptArtifact(broken_card(path, f"it is the card of {card.kind}/{card.id}"))
    return Artifact(card, path)


def load(store: Store, name: str) -> Artifact:
    """Return the artifact of a full id `<kind>/<12 hex>`.

    Raises:
        MissingArtifact: where there is nothing of that id.
        IncompleteEmbeddings: where there are parts but no card.
        CorruptArtifact: where the card is not what was written.
    """
    kind, _, id = name.partition("/")
    if kind not in KINDS or not id:
        raise InvalidSpec(f"expected <kind>/<id> with a kind of {', '.join(KINDS)}, found {name!r}")
    if (artifact := find(store, kind, id)) is not None:
        return artifact
    if next(iter(store.list(f"{name}/")), None) is not None:
        raise IncompleteEmbeddings(f"{name} is unfinished: it has parts but no card; run the command again")
    raise MissingArtifact(f"no {name} in {store.uri}; `revsearch ls {kind}` lists what is there")


def fetch(store: Store, prefix: str, part: Part, folder: Path) -> Path:
    """Return a local file with the bytes of a part of the artifact `prefix` (its id), after checking its checksum.

    Raises:
        CorruptArtifact: where size or hash differ, or the part is gone.
    """
    again = f"remove {store.uri}/{prefix} and run the command that made it again"
    try:
        path = store.download(f"{prefix}/{part.name}", folder)
        size, sha256 = path.stat().st_size, file_sha256(path)
    except (MissingArtifact, FileNotFoundError) as error:
        raise CorruptArtifact(f"{prefix}: part {part.name} is gone; {again}") from error
    if (size, sha256) != (part.size, part.sha256):
        raise CorruptArtifact(
            f"{prefix}: checksum of {part.name}: expected {part.size} bytes {part.sha256[:12]}, "
            f"found {size} bytes {sha256[:12]}; {again}"
        )
    return path


def same_account(ours: Card, our_store: Store, theirs: Card, their_store: Store) -> bool:
    """Say whether two cards of one id account for the rows alike: counts, and ids and reasons of the rejects."""
    one, other = ours.counts, theirs.counts
    if (one.n_in, one.n_ok, dict(one.rejected)) != (other.n_in, other.n_ok, dict(other.rejected)):
        return False
    tables = [[part for part in card.parts if part.name.startswith("rejects-")] for card in (ours, theirs)]
    if tables[0] == tables[1] or not all(tables):
        return True
    prefix = f"{ours.kind}/{ours.id}"
    return _rejected(our_store, prefix, tables[0]) == _rejected(their_store, prefix, tables[1])


def _rejected(store: Store, prefix: str, parts: list[Part]) -> list[tuple[str, str]]:
    """Return id and reason of every reject: messages and places may differ between two runs."""
    with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
        paths = [fetch(store, prefix, part, Path(folder)) for part in parts]
        tables = [parquet.read(path, ("id", "reason")) for path in paths]
    return sorted((row["id"], row["reason"]) for table in tables for row in table.to_pylist())


def verify(store: Store, artifact: Artifact) -> None:
    """Check every part of an artifact against its card; CorruptArtifact at the first that differs."""
    for part in artifact.card.parts:
        _check(store, str(artifact), part)


def is_whole(store: Store, prefix: str, part: Part) -> bool:
    """Say whether a part that an earlier run left of the artifact `prefix` (its id) is what it is to be.

    A warning tells what is wrong with one that is not.
    """
    try:
        _check(store, prefix, part)
    except CorruptArtifact as error:
        _LOG.warning("%s", error)
        return False
    return True


def _check(store: Store, prefix: str, part: Part) -> None:
    # Of its own: parts come down one by one. A thread may still write to it when its process ends.
    with tempfile.TemporaryDirectory(prefix="revsearch-", ignore_cleanup_errors=True) as folder:
        fetch(store, prefix, part, Path(folder))


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))

"""Manifests as Parquet parts, read in blocks or by row; and where their bytes lie, which is kept beside them."""

import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from revsearch.errors import CorruptArtifact, MissingArtifact
from revsearch.manifest import Manifest, Role, Strings
from revsearch.storage import parquet
from revsearch.storage.artifact import Artifact, fetch
from revsearch.storage.refs import read_ref, update_ref
from revsearch.storage.roots import Place, Root, open_root
from revsearch.storage.store import Store

_TEXT = {"id": "ids", "location": "locations", "role": "roles", "label": "labels", "group": "groups"}
_LOOKED_AT = 1_000  # rows, for examples in each root
_EXAMPLES = 5
_EXTRA = "extra:"  # begins the column name of what the user's list carried along


def encode_manifest(block: Manifest) -> bytes:
    """Serialise a block of a manifest."""
    columns = {name: pa.array(getattr(block, attribute), pa.string()) for name, attribute in _TEXT.items()}
    columns["content"] = parquet.contents_array(block.contents)
    columns["size"] = pa.array(block.sizes)
    for name, column in block.extra.items():
        columns[_EXTRA + name] = pa.array(column, pa.string())
    return parquet.to_bytes(pa.table(columns))


def decode_manifest(path: Path) -> Manifest:
    """Read a block of a manifest."""
    table = parquet.read(path)
    if missing := {*_TEXT, "content", "size"} - set(table.column_names):
        raise CorruptArtifact(f"{path}: expected columns {sorted(missing)} of a manifest", reason="parquet")
    return Manifest(
        **{attribute: parquet.strings(table, name) for name, attribute in _TEXT.items()},
        contents=parquet.contents(table),
        sizes=table["size"].to_numpy(),
        extra={
            name.removeprefix(_EXTRA): parquet.strings(table, name)
            for name in table.column_names
            if name.startswith(_EXTRA)
        },
    )


class StoredManifest:
    """A committed manifest, of which only the blocks asked for are read."""

    def __init__(self, store: Store, artifact: Artifact) -> None:
        self.store, self.artifact = store, artifact
        names: list[str] = artifact.card.facts["blocks"]
        by_name = {part.name: part for part in artifact.card.parts}
        self._blocks = [by_name[name] for name in names]
        self._starts = np.cumsum([0, *artifact.card.facts["block_rows"]])
        self._scratch = tempfile.TemporaryDirectory(prefix="revsearch-")
        self._files: dict[int, Path] = {}
        self._latest: tuple[int, Manifest] | None = None

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def roots(self) -> dict[str, str]:
        """Address of the bytes by prefix of the id; the longest prefix that fits counts.

        Raises:
            MissingArtifact: where the place was never noted.
            CorruptArtifact: where the note is none.
        """
        roots: dict[str, str] = self._place()["roots"]
        return roots

    @property
    def follow_symlinks(self) -> bool:
        """Whether links may lead out of the roots: a property of the place, as they are; raises as `roots`."""
        return bool(self._place()["follow_symlinks"])

    def _place(self) -> dict[str, Any]:
        again = "run `manifest` on them again"
        match read_ref(self.store, _roots_ref(self.artifact.id)):
            case None:
                raise MissingArtifact(f"{self.artifact}: nobody noted where its bytes lie; {again}")
            case {"roots": dict(), "follow_symlinks": bool()} as place:
                return place
            case found:
                raise CorruptArtifact(
                    f"{self.artifact}: expected a note of where its bytes lie, found {found}; {again}"
                )

    def examples(self) -> list[Place]:
        """Return some places in each root; see `examples`, and `roots` for what is raised."""
        return examples(self._block(0), {prefix: open_root(uri) for prefix, uri in self.roots.items()})

    def blocks(self) -> Iterator[Manifest]:
        """Yield the manifest block by block, in order."""
        for number in range(len(self._blocks)):
            yield self._block(number)

    def take(self, rows: NDArray[np.int64]) -> Manifest:
        """Return rows `[m]` (ascending) of the manifest."""
        numbers = np.searchsorted(self._starts, rows, side="right") - 1
        pieces = [
            self._block(int(number)).take(rows[numbers == number] - self._starts[number])
            for number in np.unique(numbers)
        ]
        return concatenate(pieces or [self._block(0).take(rows)])

    def contents(self) -> NDArray[np.uint8]:
        """Return every row's content hash, uint8 `[n, 32]`: the one column a driver may hold whole."""
        tables = (parquet.read(self._file(number), ["content"]) for number in range(len(self._blocks)))
        return np.concatenate([np.empty((0, 32), np.uint8), *map(parquet.contents, tables)])

    def strings(self, name: str) -> Strings:
        """Return a whole text column (`id`, `role`, `label`, `group`), str or None `[n]`."""
        tables = (parquet.read(self._file(number), [name]) for number in range(len(self._blocks)))
        return np.concatenate([np.empty(0, object), *(parquet.strings(table, name) for table in tables)])

    def rows_of_roles(self, *roles: Role) -> NDArray[np.int64]:
        """Return the rows of any of these roles, int64 ascending."""
        wanted = pa.array(roles, pa.string())
        tables = (parquet.read(self._file(number), ["role"]) for number in range(len(self._blocks)))
        inside = [pc.is_in(table["role"], value_set=wanted).to_numpy() for table in tables]
        return np.flatnonzero(np.concatenate([np.empty(0, bool), *inside]))

    def rows_of_ids(self, ids: Collection[str]) -> NDArray[np.int64]:
        """Return the rows of these ids as far as they are there, int64 ascending; ids are read block by block."""
        wanted = pa.array(list(ids), pa.string())
        tables = (parquet.read(self._file(number), ["id"]) for number in range(len(self._blocks)))
        inside = [pc.is_in(table["id"], value_set=wanted).to_numpy() for table in tables]
        return np.flatnonzero(np.concatenate([np.empty(0, bool), *inside]))

    def _block(self, number: int) -> Manifest:
        if self._latest is None or self._latest[0] != number:  # neighbouring ranges share a block
            self._latest = (number, decode_manifest(self._file(number)))
        return self._latest[1]

    def _file(self, number: int) -> Path:
        if number not in self._files:  # checked against the card once
            self._files[number] = fetch(self.store, str(self.artifact), self._blocks[number], Path(self._scratch.name))
        return self._files[number]


def concatenate(blocks: list[Manifest]) -> Manifest:
    """Put blocks of one manifest together."""
    if len(blocks) == 1:
        return blocks[0]
    names = {name for block in blocks for name in block.extra}
    return Manifest(
        ids=np.concatenate([block.ids for block in blocks]),
        locations=np.concatenate([block.locations for block in blocks]),
        contents=np.concatenate([block.contents for block in blocks]),
        sizes=np.concatenate([block.sizes for block in blocks]),
        roles=np.concatenate([block.roles for block in blocks]),
        labels=np.concatenate([block.labels for block in blocks]),
        groups=np.concatenate([block.groups for block in blocks]),
        extra={
            name: np.concatenate([block.extra.get(name, np.full(len(block), None, object)) for block in blocks])
            for name in sorted(names)
        },
    )


def note_roots(store: Store, manifest_id: str, roots: Mapping[str, str], *, follow_symlinks: bool = False) -> None:
    """Note where the bytes of a manifest lie: the same files elsewhere, or behind links, are the same manifest."""
    update_ref(store, _roots_ref(manifest_id), lambda _: {"roots": dict(roots), "follow_symlinks": follow_symlinks})


def locate(block: Manifest, row: int, roots: Mapping[str, Root]) -> Place:
    """Return where a row's bytes lie: its location, below the root of its id."""
    id = block.ids[row]
    prefix = max((prefix for prefix in roots if id.startswith(prefix)), key=len)
    location = block.locations[row]
    return Place(roots[prefix], id.removeprefix(prefix) if location is None else location)


def examples(rows: Manifest, roots: Mapping[str, Root]) -> list[Place]:
    """Return some places in each root: those of its first rows, or the root itself where none is among the first."""
    found: dict[str, list[Place]] = {root.uri: [] for root in roots.values()}
    for row in range(min(len(rows), _LOOKED_AT)):
        place = locate(rows, row, roots)
        if len(found[place.root.uri]) < _EXAMPLES:
            found[place.root.uri].append(place)
    return [place for root in roots.values() for place in found[root.uri] or [Place(root, "")]]


def _roots_ref(manifest_id: str) -> str:
    return f"internal/roots/{manifest_id}"

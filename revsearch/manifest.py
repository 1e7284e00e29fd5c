"""The manifest: which images a job is about, in which order and in which roles."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.fingerprint import canonical_json

Role = Literal["gallery", "query", "distractor", "train"]
ROLES: tuple[Role, ...] = get_args(Role)
INDEXED_ROLES: tuple[Role, ...] = ("gallery", "distractor")  # searched in

Strings = NDArray[np.object_]  # of str; None where a value is missing


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A view of one manifest row.

    Attributes:
        id: POSIX path below the source's root, `<role>/<path>` where a manifest has several sources.
        location: where the bytes lie, as given: relative to the source's root, or an absolute path.
        content: SHA-256 of the bytes, 32 bytes.
        size: bytes of the file.
        label: class, if known.
        group: finer identity (an object, a product), if known.
    """

    id: str
    location: str
    content: bytes
    size: int
    role: Role
    label: str | None = None
    group: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """Ordered rows as columns; a whole manifest or a block of one.

    Attributes:
        ids: str `[n]`, unique in the whole manifest.
        locations: str `[n]`; None where the location is the id below its source's root.
        contents: uint8 `[n, 32]`, SHA-256 of each file's bytes.
        sizes: int64 `[n]`, bytes.
        roles: str `[n]`, of `ROLES`.
        labels: str or None `[n]`.
        groups: str or None `[n]`.
        extra: further columns by name, str or None `[n]`.
    """

    ids: Strings
    locations: Strings
    contents: NDArray[np.uint8]  # [n, 32]
    sizes: NDArray[np.int64]
    roles: Strings
    labels: Strings
    groups: Strings
    extra: Mapping[str, Strings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.contents.shape != (len(self.ids), 32):
            raise InvalidSpec(f"manifest: expected contents [{len(self.ids)}, 32], found {self.contents.shape}")
        for name, column in self._columns():
            if len(column) != len(self.ids):
                raise InvalidSpec(f"manifest: column {name} has {len(column)} rows, expected {len(self.ids)}")

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> ImageRef:
        return ImageRef(
            id=self.ids[row],
            location=self.locations[row] if self.locations[row] is not None else self.ids[row],
            content=self.contents[row].tobytes(),
            size=int(self.sizes[row]),
            role=self.roles[row],
            label=self.labels[row],
            group=self.groups[row],
            extra={name: column[row] for name, column in self.extra.items() if column[row] is not None},
        )

    def take(self, rows: NDArray[np.integer] | slice) -> Self:
        """Return the rows asked for, in the order asked for."""
        return type(self)(
            ids=self.ids[rows],
            locations=self.locations[rows],
            contents=self.contents[rows],
            sizes=self.sizes[rows],
            roles=self.roles[rows],
            labels=self.labels[rows],
            groups=self.groups[rows],
            extra={name: column[rows] for name, column in self.extra.items()},
        )

    def row_bytes(self) -> Iterator[bytes]:
        """Yield what of each row makes the manifest's identity: everything but size, root, time and place.

        A location counts only where it says more than the id.
        """
        for row in range(len(self)):
            ref = self[row]
            yield canonical_json(
                [ref.id, self.locations[row], ref.content.hex(), ref.label, ref.group, ref.role, dict(ref.extra)]
            )

    def _columns(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        for name in ("ids", "locations", "sizes", "roles", "labels", "groups"):
            yield name, getattr(self, name)
        for name, column in self.extra.items():
            yield f"extra:{name}", column


def content_keys(contents: NDArray[np.uint8]) -> NDArray[np.void]:
    """Return content hashes `[n, 32]` as `[n]` opaque 32-byte keys that compare, sort and go through `np.unique`."""
    return np.ascontiguousarray(contents).view("V32").reshape(len(contents))

"""What the sources of a manifest list, before a byte of any image is read."""

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.fingerprint import canonical_json, file_sha256
from revsearch.manifest import ROLES, Manifest, Role, Strings
from revsearch.rejects import Reject
from revsearch.specs import Labels, ManifestSpec
from revsearch.storage.manifests import concatenate, locate
from revsearch.storage.names import decode_id
from revsearch.storage.sources import assign_roles_and_labels, list_folder, listing_fingerprint
from revsearch.storage.tables import read_table
from revsearch.storage.tables.block import TableBlock, default_id

_WITH_ROLE = re.compile(rf"({'|'.join(ROLES)})=(.+)", re.DOTALL)
_DEFAULT_ROLE: Role = "gallery"


@dataclass(frozen=True, slots=True)
class Source:
    """A folder or list of images.

    Attributes:
        path: the folder or the list's file.
        role: role of all its images; None where its folders' names, or its rows, say it.
        prefix: begins the ids of its images: empty, or `<role>/` where a manifest has several sources.
    """

    path: Path
    role: Role | None
    prefix: str


@dataclass(frozen=True)
class Candidates:
    """Rows that may become a manifest.

    Attributes:
        rows: everything but content and size, which are zero until the bytes are read, and of folders roles and
            labels, which `settled` gives.
        rejects: what was listed, but cannot be read as a row or folder.
        n_ignored: files that are no pictures by their name's kind.
        roots: where the bytes lie, by prefix of the id.
        fingerprint: changes with the path, size or time of any file.
        folders: how many rows each source has, in order; and the source, where its folders' names say more.
    """

    rows: Manifest
    rejects: list[Reject]
    n_ignored: int
    roots: dict[str, str]
    fingerprint: str
    folders: list[tuple[int, Source | None]]

    def settled(self, pictures: NDArray[np.int64], labels: Labels) -> tuple[Strings, Strings]:
        """Return role and label of the rows that proved to be pictures, `[m]` ascending, each `[m]`.

        Only pictures count: a stray file beside the classes does not hide that they are classes.
        """
        roles, named = self.rows.roles[pictures], self.rows.labels[pictures]
        start = 0
        for n_rows, source in self.folders:
            mine = slice(*np.searchsorted(pictures, [start, start + n_rows]))
            start += n_rows
            if source is not None:
                ids = [id.removeprefix(source.prefix) for id in self.rows.ids[pictures[mine]]]
                roles[mine], named[mine] = assign_roles_and_labels(ids, role=source.role, labels=labels)
        return roles, named


def list_sources(spec: ManifestSpec) -> Candidates:
    """List all sources of a manifest.

    Raises:
        InvalidSpec: where a source is not there, is no folder or list, or holds nothing.
    """
    found = [_list_source(source, spec) for source in _parse(spec)]
    rows = concatenate([each.rows for each in found])
    if not len(rows) and not any(each.rejects for each in found):
        ignored = sum(each.n_ignored for each in found)
        raise InvalidSpec(f"{', '.join(spec.sources)}: expected images, found none ({ignored} files ignored by name)")
    return Candidates(
        rows=rows,
        rejects=[reject for each in found for reject in each.rejects],
        n_ignored=sum(each.n_ignored for each in found),
        roots={prefix: root for each in found for prefix, root in each.roots.items()},
        fingerprint=hashlib.sha256("".join(each.fingerprint for each in found).encode()).hexdigest(),
        folders=[folder for each in found for folder in each.folders],
    )


def _parse(spec: ManifestSpec) -> list[Source]:
    if not spec.sources:
        raise InvalidSpec("expected at least one source: a folder of images, or a .csv, .jsonl or .parquet list")
    several = len(spec.sources) > 1
    sources = [_parse_source(text, spec.role, several) for text in spec.sources]
    prefixes = [source.prefix for source in sources]
    if len(set(prefixes)) < len(prefixes):
        raise InvalidSpec(
            f"{', '.join(spec.sources)}: two sources of one role; put them below one folder, or into one list"
        )
    return sources


def _parse_source(text: str, role: Role | None, several: bool) -> Source:
    if match := _WITH_ROLE.fullmatch(text):
        role, text = match[1], match[2]  # type: ignore[assignment]  # the pattern admits roles alone
    path = Path(text).absolute()
    if "://" in text:
        raise InvalidSpec(f"{text}: expected a folder or a list of images")
    if not os.path.exists(path):  # noqa: PTH110  # Path.exists raises where the name is too long
        raise InvalidSpec(f"{text}: no such folder or list; looked at {path}")
    return Source(path, role, f"{role or _DEFAULT_ROLE}/" if several else "")


def _list_source(source: Source, spec: ManifestSpec) -> Candidates:
    return _list_folder(source, spec) if source.path.is_dir() else _list_table(source, spec)


def _list_folder(source: Source, spec: ManifestSpec) -> Candidates:
    listing = list_folder(source.path, follow_symlinks=spec.follow_symlinks)
    nothing = np.full(len(listing), None, object)
    return Candidates(
        _rows(_prefixed(source, listing.ids), nothing, nothing.copy(), nothing.copy(), nothing.copy()),
        [_prefixed_reject(source, reject) for reject in listing.rejects],
        listing.ignored,
        {source.prefix: str(source.path)},
        _fingerprint(source, listing_fingerprint(listing)),
        [(len(listing), source)],
    )


def _list_table(source: Source, spec: ManifestSpec) -> Candidates:
    root = Path(spec.root).absolute() if spec.root else source.path.parent
    blocks, rejects = [], []
    for block in read_table(source.path, on_bad_row=spec.on_bad_row, root=root):
        locations = _locations(block, root)
        roles = _filled(block.roles, source.role or _DEFAULT_ROLE)
        labels = block.labels if spec.labels != "none" else np.full(len(block.ids), None, object)
        blocks.append(_rows(_prefixed(source, block.ids), locations, roles, labels, block.groups, dict(block.extra)))
        rejects += [_prefixed_reject(source, reject) for reject in block.rejects]
    rows = concatenate(blocks)
    roots = {source.prefix: str(root)}
    return Candidates(
        rows,
        rejects,
        0,
        roots,
        _fingerprint(source, file_sha256(source.path), _stats(rows, roots)),
        [(len(rows), None)],
    )


def _locations(block: TableBlock, root: Path) -> Strings:
    """Return where the images lie relative to the root, so that the same list elsewhere says the same.

    None where the id says it; absolute where that is outside the root, which reading rejects.
    """
    below = (default_id(uri, root) for uri in block.uris)
    return np.array([None if place == id else place for place, id in zip(below, block.ids, strict=True)], object)


def _rows(
    ids: Strings,
    locations: Strings,
    roles: Strings,
    labels: Strings,
    groups: Strings,
    extra: dict[str, Strings] | None = None,
) -> Manifest:
    n = len(ids)
    unread = np.zeros((n, 32), np.uint8)
    return Manifest(ids, locations, unread, np.zeros(n, np.int64), roles, labels, groups, extra or {})


def _prefixed(source: Source, ids: Strings) -> Strings:
    return ids if not source.prefix else np.array([source.prefix + id for id in ids], object)


def _prefixed_reject(source: Source, reject: Reject) -> Reject:
    return Reject(source.prefix + reject.id, reject.uri, reject.stage, reject.reason, reject.message, reject.attempt)


def _filled(column: Strings, default: str) -> Strings:
    return np.array([default if value is None else value for value in column], object)


def _fingerprint(source: Source, *parts: str) -> str:
    return hashlib.sha256(canonical_json([str(source.path), source.prefix, source.role, *parts])).hexdigest()


def _stats(rows: Manifest, roots: dict[str, str]) -> str:
    """Return a hash over size and time of the files a list names: the list may stay the same while they change."""
    digest = hashlib.sha256()
    for fact in _facts(rows, roots):
        digest.update(b"%d %d\n" % fact)
    return digest.hexdigest()


def _facts(rows: Manifest, roots: dict[str, str]) -> Iterable[tuple[int, int]]:
    for row in range(len(rows)):
        location, root = locate(rows, row, roots)
        try:
            stat = (root / os.fsdecode(decode_id(location))).stat()
        except (OSError, ValueError):  # not there, or no path at all: reading it tells
            yield 0, 0
        else:
            yield stat.st_size, stat.st_mtime_ns

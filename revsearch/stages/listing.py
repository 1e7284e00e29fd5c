"""What the sources of a manifest list, before a byte of any image is read."""

import hashlib
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.fingerprint import canonical_json, file_sha256, sha256_hex
from revsearch.manifest import ROLES, Manifest, Role, Strings
from revsearch.rejects import Reject
from revsearch.specs import Labels, ManifestSpec
from revsearch.storage.files import kind_at, local_copy
from revsearch.storage.manifests import concatenate, locate
from revsearch.storage.roots import Facts, Root, open_root
from revsearch.storage.s3.address import is_s3
from revsearch.storage.sources import assign_roles_and_labels, listing_fingerprint
from revsearch.storage.tables import ListFile, TableBlock, read_table

_WITH_ROLE = re.compile(rf"({'|'.join(ROLES)})=(.+)", re.DOTALL)
_DEFAULT_ROLE: Role = "gallery"


@dataclass(frozen=True, slots=True)
class Source:
    """A folder or list of images.

    Attributes:
        uri: the absolute path or the address of the folder or list.
        is_list: whether it is a list.
        role: role of all its images; None where its folders' names, or its rows, say it.
        prefix: begins the ids of its images: empty, or `<role>/` where a manifest has several sources.
    """

    uri: str
    is_list: bool
    role: Role | None
    prefix: str


@dataclass(frozen=True)
class Candidates:
    """Rows that may become a manifest.

    Attributes:
        rows: everything but content, which is zero until the bytes are read, and of folders roles and labels, which
            `settled` gives. Sizes are those that were listed.
        rejects: what was listed, but cannot be read as a row or folder.
        n_ignored: files that are no pictures by their name's kind.
        roots: where the bytes lie, by prefix of the id.
        fingerprint: changes with the path, size or version of any file.
        folders: how many rows each source has, in order; and the source, where its folders' names say more.
    """

    rows: Manifest
    rejects: list[Reject]
    n_ignored: int
    roots: dict[str, str]
    fingerprint: str
    folders: list[tuple[int, Source | None]]

    @property
    def opened(self) -> dict[str, Root]:
        """The roots themselves."""
        return {prefix: open_root(uri) for prefix, uri in self.roots.items()}

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
        raise InvalidSpec(
            "expected at least one source: a folder, s3://bucket/prefix, or a .csv, .jsonl, .parquet list"
        )
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
    if "://" in text and not is_s3(text):
        raise InvalidSpec(f"{text}: expected a folder or a list of images, of this machine or at s3://bucket/…")
    uri = text if is_s3(text) else str(Path(text).absolute())
    if (kind := kind_at(uri)) is None:
        raise InvalidSpec(f"{text}: no such folder or list; looked at {uri}")
    return Source(uri, kind == "file", role, f"{role or _DEFAULT_ROLE}/" if several else "")


def _list_source(source: Source, spec: ManifestSpec) -> Candidates:
    return _list_table(source, spec) if source.is_list else _list_folder(source, spec)


def _list_folder(source: Source, spec: ManifestSpec) -> Candidates:
    root = open_root(source.uri)
    listing = root.list(follow_symlinks=spec.follow_symlinks)
    nothing = np.full(len(listing), None, object)
    rows = _rows(_prefixed(source, listing.ids), nothing, nothing.copy(), nothing.copy(), nothing.copy())
    return Candidates(
        replace(rows, sizes=listing.sizes),
        [_prefixed_reject(source, reject) for reject in listing.rejects],
        listing.ignored,
        {source.prefix: root.uri},
        _fingerprint(source, listing_fingerprint(listing)),
        [(len(listing), source)],
    )


def _list_table(source: Source, spec: ManifestSpec) -> Candidates:
    root = open_root(spec.root or source.uri.rpartition("/")[0] or "/")
    with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
        path = local_copy(source.uri, Path(folder))
        table = ListFile(path, source.uri) if is_s3(source.uri) else ListFile.at(path)
        rows, rejects = _read_table(table, root, source, spec)
        sha256 = file_sha256(path)
    facts = root.facts([locate(rows, row, {source.prefix: root}).location for row in range(len(rows))])
    return Candidates(
        replace(rows, sizes=facts.sizes),
        rejects,
        0,
        {source.prefix: root.uri},
        _fingerprint(source, sha256, _digest(facts)),
        [(len(rows), None)],
    )


def _read_table(table: ListFile, root: Root, source: Source, spec: ManifestSpec) -> tuple[Manifest, list[Reject]]:
    blocks, rejects = [], list[Reject]()
    for block in read_table(table, root, on_bad_row=spec.on_bad_row):
        locations = _locations(block, root)
        roles = _filled(block.roles, source.role or _DEFAULT_ROLE)
        labels = block.labels if spec.labels != "none" else np.full(len(block.ids), None, object)
        blocks.append(_rows(_prefixed(source, block.ids), locations, roles, labels, block.groups, dict(block.extra)))
        rejects += [_prefixed_reject(source, reject) for reject in block.rejects]
    return concatenate(blocks), rejects


def _locations(block: TableBlock, root: Root) -> Strings:
    """Return where the images lie relative to the root, so that the same list elsewhere says the same.

    None where the id says it; absolute where that is outside the root, which reading rejects.
    """
    below = map(root.location_of, block.uris)
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
    return hashlib.sha256(canonical_json([source.uri, source.prefix, source.role, *parts])).hexdigest()


def _digest(facts: Facts) -> str:
    """Return a hash over size and version of the files a list names: the list may stay the same while they change."""
    return sha256_hex(facts.sizes.astype("<i8").tobytes() + facts.versions.astype("<i8").tobytes())

"""A block of a list with its columns' meaning."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from revsearch.manifest import Strings
from revsearch.rejects import Reason, Reject
from revsearch.storage.names import encode_id
from revsearch.storage.tables.columns import find_columns
from revsearch.storage.tables.roles import table_roles
from revsearch.storage.tables.rows import Broken, Cells, Rows

STAGE = "manifest"

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class TableBlock:
    """Rows of a list as columns, in the list's order, all str or None `[n]`.

    Attributes:
        lines: int64 `[n]`, where each row stands: its line, in Parquet its row, from 1.
        uris: where the images are, as written.
        ids: as written, else the uri as POSIX path below the root.
        labels, groups: None where the list does not say them.
        roles: of `ROLES`; None where the list does not say it.
        extra: further columns by name; the same names in every block of a list.
        rejects: broken rows, reason `parse`; id `<list>:<line>`.
    """

    lines: NDArray[np.int64]
    uris: Strings
    ids: Strings
    labels: Strings
    groups: Strings
    roles: Strings
    extra: Mapping[str, Strings]
    rejects: tuple[Reject, ...]

    def __len__(self) -> int:
        return len(self.ids)


def table_block(rows: Rows, path: Path, root: Path, unit: str) -> TableBlock:
    """Return what `rows` of the list `path` say; `unit` is what its rows are counted in, `line` or `row`.

    Raises:
        InvalidSpec: where there is no uri column, or a role that is none.
    """
    if not rows.lines:  # broken rows alone do not say which columns there are
        return _only_broken(rows, path, unit)
    columns = find_columns(rows.columns, str(path))
    rows = _without_empty(rows, columns.uri)
    uris, ids = rows.columns[columns.uri], _column(rows, columns.id)
    return TableBlock(
        lines=np.array(rows.lines, np.int64),
        uris=_strings(uris),
        ids=_strings([id or default_id(uri or "", root) for id, uri in zip(ids, uris, strict=True)]),
        labels=_strings(_column(rows, columns.label)),
        groups=_strings(_column(rows, columns.group)),
        roles=_strings([*table_roles(rows, columns.roles, f"{path} {unit}")]),
        extra={name: _strings(rows.columns[name]) for name in columns.extra},
        rejects=tuple(_reject(broken, path, unit) for broken in rows.broken),
    )


def _only_broken(rows: Rows, path: Path, unit: str) -> TableBlock:
    none = _strings([])
    rejects = tuple(_reject(broken, path, unit) for broken in rows.broken)
    return TableBlock(np.empty(0, np.int64), none, none, none, none, none, {}, rejects)


def default_id(uri: str, root: Path) -> str:
    """Return the id of the image at `uri`: its path below `root`, without `.` and empty parts.

    `..` stays, as do other absolute paths and URLs: reading them rejects them.
    """
    plain = "/." not in uri and "//" not in uri and not uri.startswith(("/", "."))  # most are: checked a row
    if (plain and not uri.endswith("/")) or _URL.match(uri):
        return uri
    kept = "/".join(part for part in uri.split("/") if part not in ("", "."))
    if not uri.startswith("/"):
        return kept or uri
    top = encode_id(os.fsencode(os.path.abspath(root))).strip("/") + "/"  # noqa: PTH100  # Path.absolute keeps ..
    return kept.removeprefix(top) if kept.startswith(top) else "/" + kept


def _without_empty(rows: Rows, uri: str) -> Rows:
    if all(rows.columns[uri]):
        return rows
    kept = [n for n, value in enumerate(rows.columns[uri]) if value]
    empty = [Broken(rows.lines[n], f"no {uri}") for n, value in enumerate(rows.columns[uri]) if not value]
    return Rows(
        lines=[rows.lines[n] for n in kept],
        columns={name: [cells[n] for n in kept] for name, cells in rows.columns.items()},
        broken=sorted(rows.broken + empty, key=lambda broken: broken.line),
    )


def _column(rows: Rows, name: str | None) -> Cells:
    return rows.columns[name] if name else [None] * len(rows.lines)


def _reject(broken: Broken, path: Path, unit: str) -> Reject:
    uri = encode_id(os.fsencode(path))  # no row may hold a name that is no UTF-8
    place = f"{uri.rpartition('/')[2]}:{broken.line}"
    return Reject(place, uri, STAGE, Reason.PARSE, f"{uri} {unit} {broken.line}: {broken.message}")


def _strings(values: Cells) -> Strings:
    column = np.empty(len(values), object)
    column[:] = [value or None for value in values]
    return column

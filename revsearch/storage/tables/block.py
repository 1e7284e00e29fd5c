"""A block of a list with its columns' meaning."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from revsearch.manifest import Strings
from revsearch.rejects import Reason, Reject
from revsearch.storage.roots import Root
from revsearch.storage.tables.columns import find_columns
from revsearch.storage.tables.list_file import ListFile
from revsearch.storage.tables.roles import table_roles
from revsearch.storage.tables.rows import Broken, Cells, Rows

STAGE = "manifest"


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


def table_block(rows: Rows, table: ListFile, root: Root) -> TableBlock:
    """Return what `rows` of a list say.

    Raises:
        InvalidSpec: where there is no uri column, or a role that is none.
    """
    if not rows.lines:  # broken rows alone do not say which columns there are
        return _only_broken(rows, table)
    columns = find_columns(rows.columns, str(table))
    rows = _without_empty(rows, columns.uri)
    uris, ids = rows.columns[columns.uri], _column(rows, columns.id)
    return TableBlock(
        lines=np.array(rows.lines, np.int64),
        uris=_strings(uris),
        ids=_strings([id or root.location_of(uri or "") for id, uri in zip(ids, uris, strict=True)]),
        labels=_strings(_column(rows, columns.label)),
        groups=_strings(_column(rows, columns.group)),
        roles=_strings([*table_roles(rows, columns.roles, f"{table} {table.unit}")]),
        extra={name: _strings(rows.columns[name]) for name in columns.extra},
        rejects=tuple(_reject(broken, table) for broken in rows.broken),
    )


def _only_broken(rows: Rows, table: ListFile) -> TableBlock:
    none = _strings([])
    rejects = tuple(_reject(broken, table) for broken in rows.broken)
    return TableBlock(np.empty(0, np.int64), none, none, none, none, none, {}, rejects)


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


def _reject(broken: Broken, table: ListFile) -> Reject:
    place = f"{table.uri.rpartition('/')[2]}:{broken.line}"
    return Reject(place, table.uri, STAGE, Reason.PARSE, f"{table} {table.unit} {broken.line}: {broken.message}")


def _strings(values: Cells) -> Strings:
    column = np.empty(len(values), object)
    column[:] = [value or None for value in values]
    return column

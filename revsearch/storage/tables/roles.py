"""Roles as lists write them: one column `role`, or `split` with the flags `is_query` and `is_gallery`."""

from collections.abc import Mapping

from revsearch.errors import InvalidSpec
from revsearch.manifest import Role
from revsearch.storage.role_names import ROLE_NAMES
from revsearch.storage.tables.rows import Rows

# A split that is held out is not a role: the flags say it, or the source's default.
_SPLITS: Mapping[str, Role | None] = {
    **ROLE_NAMES,
    "training": "train",
    **dict.fromkeys(("test", "val", "valid", "validation"), None),
}
_FLAGS = {"1": True, "true": True, "0": False, "false": False}


def table_roles(rows: Rows, names: tuple[str, ...], where: str) -> list[Role | None]:
    """Return each row's role, None where the list does not say it; `[n]`.

    A row that is query and gallery at once is gallery: where a list names no other query, all are searched for.

    Raises:
        InvalidSpec: for a value that is no role, split or flag, with its line; also for a row that is neither
            query nor gallery.
    """
    if not names:
        return [None] * len(rows.lines)
    written = list(zip(*(rows.columns[name] for name in names), strict=True))
    roles = {values: _role(dict(zip(names, values, strict=True))) for values in dict.fromkeys(written)}
    for values, role in roles.items():
        if isinstance(role, _Unknown):
            line = rows.lines[written.index(values)]
            raise InvalidSpec(f"{where} {line}: {role}")
    return [roles[values] for values in written]  # type: ignore[misc]  # no _Unknown is left


class _Unknown(str):
    """Why values are no role."""


def _role(values: Mapping[str, str | None]) -> Role | _Unknown | None:
    lowered = {name: value.strip().lower() for name, value in values.items() if value and value.strip()}
    for name, known in (("role", ROLE_NAMES), ("split", _SPLITS)):
        value = lowered.get(name)
        if value is not None and value not in known:
            return _Unknown(f"{name}: expected one of {', '.join(known)}; found {value!r}")
        if value is not None and known[value]:
            return known[value]
    return _flagged(lowered)


def _flagged(values: Mapping[str, str]) -> Role | _Unknown | None:
    flags = {name: values[name] for name in ("is_query", "is_gallery") if name in values}
    for name, value in flags.items():
        if value not in _FLAGS:
            return _Unknown(f"{name}: expected 1, 0, true or false; found {value!r}")
    if not flags:
        return None
    is_query = _FLAGS[flags["is_query"]] if "is_query" in flags else None
    is_gallery = _FLAGS[flags["is_gallery"]] if "is_gallery" in flags else not is_query
    if is_gallery:
        return "gallery"
    return _Unknown("expected a query or a gallery image; found neither") if is_query is False else "query"

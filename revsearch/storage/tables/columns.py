"""Which column of a list says what."""

from collections.abc import Iterable
from dataclasses import dataclass

from revsearch.errors import InvalidSpec
from revsearch.specs import did_you_mean

URI_NAMES = ("uri", "url", "path", "file_name")
_ROLE_NAMES = ("split", "is_query", "is_gallery")


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of a list's columns by what they say; None where there is none.

    Attributes:
        roles: the columns that say the role: `role` alone, else those of `split`, `is_query`, `is_gallery` there are.
        extra: all columns without a meaning of their own.
    """

    uri: str
    id: str | None
    label: str | None
    group: str | None
    roles: tuple[str, ...]
    extra: tuple[str, ...]


def find_columns(names: Iterable[str], where: str) -> Columns:
    """Return what the columns `names` of the list `where` say. Of several uri columns the first of `URI_NAMES` counts.

    Raises:
        InvalidSpec: where no column says where the images are; naming those found, and the nearest.
    """
    found = list(names)
    uri = next((name for name in URI_NAMES if name in found), None)
    if uri is None:
        raise InvalidSpec(_no_uri(found, where))
    id, label, group = (name if name in found else None for name in ("id", "label", "group"))
    roles = ("role",) if "role" in found else tuple(name for name in _ROLE_NAMES if name in found)
    known = {uri, id, label, group, *roles}
    return Columns(uri, id, label, group, roles, tuple(name for name in found if name not in known))


def _no_uri(found: list[str], where: str) -> str:
    lowered = [name.strip().lower() for name in found]
    near = next(filter(None, (did_you_mean(name, lowered) for name in URI_NAMES)), "")
    listed = ", ".join(repr(name) for name in found[:20]) or "none"
    return f"{where}: expected a column {' or '.join(URI_NAMES)}; found columns: {listed}{near}"

"""Refs: the only mutable things. A small JSON document under `refs/`, changed by compare-and-swap only."""

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from revsearch.errors import Conflict, CorruptArtifact, InvalidSpec, MissingArtifact
from revsearch.fingerprint import canonical_json
from revsearch.storage.store import Store

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_INTERNAL = "internal/"  # begins the names that are no user's
_TRIES = 20  # of a compare-and-swap; each loss means that somebody else won


def read_ref(store: Store, name: str) -> dict[str, Any] | None:
    """Return the document of ref `name`, or None where there is no such ref.

    Raises:
        CorruptArtifact: where the file is no JSON object.
    """
    raw = _read(store, name)
    return None if raw is None else _parse(name, raw)


def update_ref(store: Store, name: str, change: Callable[[dict[str, Any] | None], Mapping[str, Any]]) -> dict[str, Any]:
    """Replace the document of `name` by `change(document)` and return it; `change` is called again after a lost race.

    Raises:
        InvalidSpec: where `name` is no ref name.
        Conflict: where others kept on winning.
    """
    _require_plain(name)
    for _ in range(_TRIES):
        raw = _read(store, name)
        new = dict(change(None if raw is None else _parse(name, raw)))
        data = canonical_json(new)
        if data == raw or store.swap(_key(name), raw, data):  # who changes nothing may have leave to read alone
            return new
    raise Conflict(f"ref {name}: lost {_TRIES} compare-and-swaps in a row; another job keeps on changing it")


def require_name(name: str) -> None:
    """Refuse what no artifact can be named, before anything is made that is to have the name.

    Raises:
        InvalidSpec: where `name` is no ref name, or one of those that are kept for ourselves.
    """
    _require_plain(name)
    if name.startswith(_INTERNAL):
        raise InvalidSpec(f"--name: expected a name that does not begin with {_INTERNAL}, found {name!r}")


def move_ref(store: Store, name: str, artifact: str) -> None:
    """Let `name` point to `artifact` (`<kind>/<12 hex>`); what it pointed to before is kept, newest first.

    Raises:
        InvalidSpec: where `name` is no name for an artifact.
        CorruptArtifact: where what is there does not point to one.
    """
    require_name(name)

    def move(current: dict[str, Any] | None) -> dict[str, Any]:
        match current:
            case None:
                previous = []
            case {"artifact": str(pointed), "previous": [*older]}:
                if pointed == artifact:
                    return current
                previous = [pointed, *older]
            case _:
                raise CorruptArtifact(_broken(name, "one that points to an artifact", canonical_json(current)))
        return {"artifact": artifact, "previous": previous, "when": int(time.time())}

    update_ref(store, name, move)


def list_refs(store: Store) -> dict[str, str]:
    """Return the artifact that each named ref points to."""
    found = {}
    for info in store.list("refs/"):
        name = info.key.removeprefix("refs/").removesuffix(".json")
        document = None if name.startswith(_INTERNAL) else read_ref(store, name)
        if document is not None and "artifact" in document:
            found[name] = str(document["artifact"])
    return found


def _require_plain(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidSpec(f"--name: expected letters, digits and . _ - (parts joined by /), found {name!r}")


def _key(name: str) -> str:
    return f"refs/{name}.json"


def _read(store: Store, name: str) -> bytes | None:
    try:
        return store.read(_key(name))
    except MissingArtifact:
        return None


def _parse(name: str, raw: bytes) -> dict[str, Any]:
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise CorruptArtifact(_broken(name, "a JSON object", raw))
    return document


def _broken(name: str, expected: str, found: bytes) -> str:
    return f"ref {name}: expected {expected}, found {found[:40]!r}; remove {_key(name)}"

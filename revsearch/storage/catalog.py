"""The catalog: finding artifacts by what a user types, and listing what is committed."""

import re
from collections.abc import Iterator

from revsearch.errors import InvalidSpec, MissingArtifact
from revsearch.fingerprint import ID_LENGTH
from revsearch.storage.artifact import Artifact, load
from revsearch.storage.card import KINDS, Kind
from revsearch.storage.refs import list_refs
from revsearch.storage.store import Store

_FULL = re.compile(rf"({'|'.join(KINDS)})/[0-9a-f]{{{ID_LENGTH}}}")


def resolve(store: Store, text: str, kind: Kind | None = None) -> Artifact:
    """Return the artifact that a user named: an id, a unique prefix of one (with or without its kind), or a ref.

    Raises:
        MissingArtifact, InvalidSpec: where it names none, several, or one of another kind.
    """
    artifact = load(store, _full_name(store, text, kind))
    if kind is not None and artifact.kind != kind:
        raise InvalidSpec(f"expected an artifact of kind {kind}, found {artifact} ({text!r})")
    return artifact


def list_artifacts(store: Store, kind: Kind | None = None) -> Iterator[str]:
    """Yield the full ids of what is committed."""
    for each in [kind] if kind else KINDS:
        for info in store.list(f"{each}/"):
            if info.key.endswith("/card.json"):
                yield info.key.removesuffix("/card.json")


def _full_name(store: Store, text: str, kind: Kind | None) -> str:
    if _FULL.fullmatch(text):
        return text
    if not text:  # a variable that was not set, not the beginning of every id
        raise InvalidSpec(f"expected the id of an artifact or a ref, found {text!r}; see `revsearch ls`")
    refs = list_refs(store)
    if text in refs:
        return refs[text]
    matches = _beginning(store, text, kind) or _beginning(store, text)  # of another kind: `resolve` says so
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise InvalidSpec(
            f"{text!r} is the beginning of {len(matches)} ids: {', '.join(matches[:5])}; give more digits"
        )
    known = ", ".join(sorted(refs)[:5]) or "none"
    raise MissingArtifact(f"no {kind or 'artifact'} {text!r} in {store.uri}; refs there: {known}; see `revsearch ls`")


def _beginning(store: Store, text: str, kind: Kind | None = None) -> list[str]:
    return [
        name for name in list_artifacts(store, kind) if name.startswith(text) or name.split("/")[1].startswith(text)
    ]

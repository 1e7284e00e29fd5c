"""What the tests of storage stand on."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from revsearch.storage.artifact import Artifact, Draft
from revsearch.storage.card import Counts, Kind
from revsearch.storage.local import LocalStore

Commit = Callable[..., Artifact]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty store."""
    return LocalStore(tmp_path / "store")


@pytest.fixture
def commit(store: LocalStore) -> Commit:
    """Commit an artifact of the given parts, `{stem.suffix: bytes}`, put in that order."""

    def commit(
        kind: Kind = "embeddings",
        id: str = "0123456789ab",
        parts: Mapping[str, bytes] | None = None,
        *,
        n_in: int = 0,
        **facts: Any,
    ) -> Artifact:
        draft = Draft(store, kind, id, {}, {})
        put = [draft.put(*name.split("."), data) for name, data in (parts or {}).items()]
        return draft.commit(Counts(n_in, n_in), put, facts=facts)

    return commit

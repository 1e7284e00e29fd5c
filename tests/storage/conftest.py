"""What the tests of storage stand on."""

import shutil
import subprocess
import sys
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
        named = [(name.partition("."), data) for name, data in (parts or {}).items()]
        put = [draft.put(stem, f".{suffix}", data) for (stem, _, suffix), data in named]
        return draft.commit(Counts(n_in, n_in), put, facts=facts)

    return commit


@pytest.fixture
def on_small_disk(tmp_path: Path) -> Callable[[str], str]:
    """Run a script with the path of a disk of 64 KiB and return what it prints; skips where no disk can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = f"mount -t tmpfs -o size=64k tmpfs {folder}"
    own_namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*own_namespace, mount], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")

    def run(script: str) -> str:
        command = [*own_namespace, f'{mount} && exec "$@"', "sh", sys.executable, "-c", script, str(folder)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    return run

from collections.abc import Callable

import pytest

from revsearch.errors import CorruptArtifact
from revsearch.rejects import Reason, Reject
from revsearch.storage.artifact import Artifact
from revsearch.storage.local import LocalStore
from revsearch.storage.reject_table import encode_rejects, read_rejects

REJECTS = [
    Reject("b.jpg", "/photos/b.jpg", "embed", Reason.TIMEOUT, "this image took more than 60 s", attempt=2),
    Reject("a\n\t\u202e<script>.jpg", "=cmd()", "manifest", Reason.EMPTY, "'a\\n': no bytes"),
    Reject("", "", "", Reason.PARSE, ""),
]


@pytest.mark.parametrize("rejects", [REJECTS, [], REJECTS[:1]])
def test_rejects_come_back_in_order(store: LocalStore, commit: Callable[..., Artifact], rejects: list[Reject]) -> None:
    made = commit(parts={"rejects.parquet": encode_rejects(iter(rejects))})
    assert read_rejects(store, made) == rejects


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_can_be_written(store: LocalStore, commit: Callable[..., Artifact], reason: Reason) -> None:
    made = commit(parts={"rejects.parquet": encode_rejects([Reject("a", "a", "embed", reason, "")])})
    assert read_rejects(store, made)[0].reason is reason


def test_damage_is_seen_before_anything_is_read(store: LocalStore, commit: Callable[..., Artifact]) -> None:
    made = commit(parts={"rejects.parquet": encode_rejects(REJECTS)})
    path = store.root / str(made) / made.part("rejects").name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptArtifact, match="checksum of rejects-"):
        read_rejects(store, made)

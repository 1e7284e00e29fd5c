"""What is tried again, and for how long."""

import base64
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from revsearch.errors import InvalidSpec, StoreUnavailable
from revsearch.storage.opening import open_store
from revsearch.storage.s3 import client
from revsearch.storage.s3.patience import Patience
from tests.servers.faulty import Asked, Fault, always, faulty, first, share
from tests.servers.server import Server
from tests.storage.s3.conftest import Reached

PASSING = [
    Fault.SLOW_DOWN,
    Fault.INTERNAL,
    Fault.CONFLICT,
    Fault.RESET,
    Fault.CUT,
    Fault.LOST,
]
LASTING = [Fault.DENIED, Fault.EXPIRED, Fault.NOT_IMPLEMENTED]


def test_what_may_pass_is_tried_again(reached: Reached) -> None:
    store = reached.store
    for fault in PASSING:
        reached.proxy.reset(first(2, fault))
        store.write("a", b"12")
        reached.proxy.reset(first(2, fault))
        assert store.create_if_absent("b", b"34")
        reached.proxy.reset(first(2, fault))
        assert store.read("a") == b"12"
        reached.proxy.reset(first(2, fault))
        assert [info.key for info in store.list("")] == ["a", "b"]
        reached.proxy.reset(first(2, fault))
        store.delete("b")
        assert [info.key for info in reached.truth.list("")] == ["a"]


def test_what_arrives_damaged_is_sent_again(radosgw_reached: Reached, tmp_path: Path) -> None:
    """The server checks Content-MD5, of parts of large files too."""
    (tmp_path / "large").write_bytes(bytes(range(250)) * 90_000)
    store = radosgw_reached.by(first(2, Fault.FLIPPED_UP, "PutObject"))
    store.write("a", b"12")
    assert radosgw_reached.proxy.counts["PutObject"] == 3
    radosgw_reached.proxy.reset(first(2, Fault.FLIPPED_UP, "UploadPart"))
    store.upload("b", tmp_path / "large")
    assert radosgw_reached.proxy.counts["UploadPart"] == 2 + 2
    assert radosgw_reached.truth.read("a") == b"12"
    assert radosgw_reached.truth.read("b") == (tmp_path / "large").read_bytes()


def test_what_is_put_says_its_md5(reached: Reached, tmp_path: Path) -> None:
    """For servers that look at nothing else: over https the body is not signed."""
    (tmp_path / "large").write_bytes(bytes(range(250)) * 90_000)
    said: dict[str, list[str]] = {"PutObject": [], "UploadPart": []}

    def plan(asked: Asked) -> None:
        if asked.operation in said:
            said[asked.operation].append(asked.headers["content-md5"])

    reached.by(plan).upload("a", tmp_path / "large")
    reached.store.create_if_absent("b", b"12")
    assert said["PutObject"] == [base64.b64encode(hashlib.md5(b"12").digest()).decode()]
    assert len(set(said["UploadPart"])) == 2


def test_what_lasts_is_told_at_once(reached: Reached) -> None:
    store = reached.store
    for fault in LASTING:
        reached.proxy.reset(always(fault))
        for ask in (lambda: store.read("a"), lambda: store.write("a", b"1"), lambda: list(store.list(""))):
            with pytest.raises(InvalidSpec):
                ask()
        assert reached.proxy.counts.total() == 3


def test_patience_ends(moto: Server, in_environment_of: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = moto.make_bucket()
    with faulty(moto) as proxy:
        in_environment_of(proxy.server)
        store = open_store(bucket)
        proxy.reset(always(Fault.SLOW_DOWN))
        monkeypatch.setattr(client, "_PATIENT", Patience(1, 1, in_all_s=1))
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="503 SlowDown: planned; try again"):
            store.write("a", b"1")
        assert 0.5 < time.monotonic() - began < 30  # a busy machine
        assert 2 <= proxy.counts["PutObject"] < 40


@pytest.mark.slow
def test_a_third_of_errors_slows_requests_and_stops_none(reached: Reached) -> None:
    """botocore's own quota of retries ends here, and its adaptive mode takes minutes."""
    store = reached.by(share(0.3, Fault.SLOW_DOWN, Fault.INTERNAL, Fault.RESET))
    for number in range(60):
        store.write(f"a/{number}", b"%d" % number)
    assert [store.read(f"a/{number}") for number in range(60)] == [b"%d" % number for number in range(60)]
    assert reached.proxy.faults.total() > 25

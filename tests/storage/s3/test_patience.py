"""What is tried again, and for how long."""

import time
from collections.abc import Callable

import pytest

from revsearch.errors import InvalidSpec, StoreUnavailable
from revsearch.storage.opening import open_store
from revsearch.storage.s3 import client
from revsearch.storage.s3.patience import Patience
from tests.servers.faulty import Fault, always, faulty, first, share
from tests.servers.server import Server
from tests.storage.s3.conftest import Reached

PASSING = [
    Fault.SLOW_DOWN,
    Fault.INTERNAL,
    Fault.CONFLICT,
    Fault.RESET,
    Fault.CUT,
    Fault.LOST,
    Fault.FLIPPED_UP,  # refused by the server, which checks Content-MD5
]
LASTING = [Fault.DENIED, Fault.EXPIRED, Fault.NOT_IMPLEMENTED]


@pytest.mark.parametrize("fault", PASSING)
def test_what_may_pass_is_tried_again(reached: Reached, fault: Fault) -> None:
    store = reached.by(first(3, fault))
    store.write("a", b"12")
    store.create_if_absent("b", b"34")
    reached.proxy.reset(first(3, fault))
    assert store.read("a") == b"12"
    reached.proxy.reset(first(3, fault))
    assert [info.key for info in store.list("")] == ["a", "b"]
    reached.proxy.reset(first(3, fault))
    store.delete("a")
    assert [info.key for info in reached.truth.list("")] == ["b"]


@pytest.mark.parametrize("fault", LASTING)
def test_what_lasts_is_told_at_once(reached: Reached, fault: Fault) -> None:
    store = reached.by(always(fault))
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
        assert 1 <= time.monotonic() - began < 5
        assert 4 <= proxy.counts["PutObject"] < 20


def test_a_third_of_errors_slows_requests_and_stops_none(reached: Reached) -> None:
    """botocore's own quota of retries ends here, and its adaptive mode takes minutes."""
    store = reached.by(share(0.3, Fault.SLOW_DOWN, Fault.INTERNAL, Fault.RESET))
    for number in range(60):
        store.write(f"a/{number}", b"%d" % number)
    assert [store.read(f"a/{number}") for number in range(60)] == [b"%d" % number for number in range(60)]
    assert reached.proxy.faults.total() > 25

from collections.abc import Callable

import pytest

from revsearch.errors import InvalidSpec
from revsearch.storage.opening import open_store
from revsearch.storage.store import Store
from tests.servers.faulty import Asked, Fault, Plan, always, share
from tests.storage.s3.conftest import Reached


def without(header: str) -> Plan:
    """Strip one of the conditions."""
    return lambda asked: Fault.UNCONDITIONAL if header in asked.headers else None


def refusing(header: str) -> Plan:
    """Say that one of the conditions is not known."""
    return lambda asked: Fault.NOT_IMPLEMENTED if header in asked.headers else None


def everything(store: Store) -> list[str]:
    """All objects of the bucket, whether they are keys or not."""
    client = store._client  # type: ignore[attr-defined]  # an S3Store
    return [found["Key"] for found in client.list_objects_v2(Bucket=store.root.bucket).get("Contents", ())]  # type: ignore[attr-defined]  # as above


@pytest.mark.parametrize("header", ["if-none-match", "if-match"])
@pytest.mark.parametrize("plan", [without, refusing])
def test_a_server_that_does_not_keep_conditions_is_refused(
    moto_reached: Reached, plan: Callable[[str], Plan], header: str
) -> None:
    with pytest.raises(InvalidSpec, match=r"does not keep conditional writes .*Amazon S3, Ceph's radosgw .*, MinIO"):
        moto_reached.by(plan(header)).require_writable()
    assert everything(moto_reached.truth) == []


def test_one_that_keeps_them_is_not(reached: Reached) -> None:
    reached.store.require_writable()
    assert everything(reached.truth) == []
    assert reached.proxy.counts.total() <= 10


def test_one_that_keeps_them_and_often_fails_is_not_either(reached: Reached) -> None:
    reached.proxy.reset(share(0.3, Fault.LOST, Fault.SLOW_DOWN, Fault.INTERNAL, Fault.RESET, Fault.CONFLICT))
    for _ in range(5):
        reached.store.require_writable()
    assert everything(reached.truth) == []


def test_a_bucket_that_can_only_be_read_is_refused(reached: Reached) -> None:
    reached.truth.write("a", b"1")

    def plan(asked: Asked) -> Fault | None:
        return Fault.DENIED if asked.operation in ("PutObject", "DeleteObject") else None

    with pytest.raises(InvalidSpec, match="403 AccessDenied"):
        reached.by(plan).require_writable()
    assert open_store(reached.store.uri).read("a") == b"1"
    with pytest.raises(InvalidSpec, match="403 AccessDenied"):
        reached.by(always(Fault.DENIED, "DeleteObject")).require_writable()

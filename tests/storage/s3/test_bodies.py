import pytest

from revsearch.errors import MissingArtifact, StoreUnavailable
from revsearch.storage.s3 import bodies
from revsearch.storage.s3.address import S3Address
from revsearch.storage.s3.bodies import TooLarge, read_body
from tests.servers.faulty import Fault, always, first
from tests.storage.s3.conftest import Reached

DATA = bytes(range(256)) * 4_000


@pytest.fixture
def address(reached: Reached) -> S3Address:
    reached.truth.write("a", DATA)
    return S3Address.parse(f"{reached.store.uri}/a")


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.CUT])
def test_a_body_that_breaks_off_is_asked_for_again(reached: Reached, address: S3Address, fault: Fault) -> None:
    client = reached.by(first(5, fault, "GetObject"))._client  # type: ignore[attr-defined]  # an S3Store
    assert read_body(client, address).data == DATA
    assert reached.proxy.counts["GetObject"] == 6


def test_one_that_always_breaks_off_is_not_there(reached: Reached, address: S3Address) -> None:
    client = reached.by(always(Fault.CUT, "GetObject"))._client  # type: ignore[attr-defined]  # an S3Store
    with pytest.raises(StoreUnavailable, match="not a whole one"):
        read_body(client, address)
    assert reached.proxy.counts["GetObject"] == bodies.TRIES


def test_one_whose_length_nobody_tells(reached: Reached, address: S3Address) -> None:
    client = reached.by(always(Fault.CHUNKED, "GetObject"))._client  # type: ignore[attr-defined]  # an S3Store
    assert read_body(client, address).data == read_body(client, address, max_bytes=len(DATA)).data == DATA
    with pytest.raises(TooLarge):
        read_body(client, address, max_bytes=len(DATA) - 1)


def test_one_that_is_too_large_is_not_read(reached: Reached, address: S3Address) -> None:
    client = reached.store._client  # type: ignore[attr-defined]  # an S3Store
    with pytest.raises(TooLarge) as told:
        read_body(client, address, max_bytes=len(DATA) - 1)
    assert told.value.size == len(DATA)
    assert read_body(client, address, max_bytes=len(DATA)).data == DATA
    with pytest.raises(MissingArtifact):
        read_body(client, S3Address(address.bucket, "gone"), max_bytes=1)

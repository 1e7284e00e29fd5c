from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from revsearch.errors import Conflict, CorruptArtifact, StoreUnavailable
from revsearch.rejects import Reason, Reject
from revsearch.storage.artifact import Artifact, Draft, load, verify
from revsearch.storage.card import Counts
from revsearch.storage.copying import Shipment
from revsearch.storage.local import LocalStore
from revsearch.storage.reject_table import encode_rejects
from revsearch.storage.s3.store import S3Store
from revsearch.storage.store import Store
from tests.servers.faulty import Fault, faulty, share
from tests.servers.server import Server
from tests.storage.failing import FailingStore

IDS = ("000000000001", "000000000002")
Commit = Callable[..., Artifact]


def made(store: Store, n: int = 3, *, rejects: tuple[Reject, ...] = (), seconds: float = 1.0) -> list[Artifact]:
    """A manifest and its embeddings, of n parts each."""
    artifacts = []
    for kind, id in zip(("manifest", "embeddings"), IDS, strict=True):
        draft = Draft(store, kind, id, {}, {})  # type: ignore[arg-type]  # both are kinds
        parts = [draft.put("part", ".bin", f"{kind} {number}".encode() * 1000) for number in range(n)]
        parts.append(draft.put("rejects", ".parquet", encode_rejects(list(rejects))))
        reasons = {"empty": len(rejects)} if rejects else {}
        artifacts.append(draft.commit(Counts(5, 5 - len(rejects), reasons), parts, seconds={"all": seconds}))
    return artifacts


def ship(artifacts: list[Artifact], source: Store, target: Store) -> Shipment:
    """Copy artifacts, and say what had to be copied."""
    shipment = Shipment.of(artifacts, source, target)
    for _ in shipment.send_parts():
        pass
    shipment.commit()
    return shipment


def keys(store: Store) -> dict[str, bytes]:
    return {info.key: store.read(info.key) for info in store.list("")}


@pytest.fixture
def other(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "other")


def test_every_byte_arrives(store: LocalStore, other: LocalStore) -> None:
    artifacts = made(store)
    shipment = ship(artifacts, store, other)
    assert keys(other) == keys(store)
    assert shipment.n_bytes == sum(part.size for artifact in artifacts for part in artifact.card.parts)
    assert (len(shipment.parts), shipment.artifacts) == (8, tuple(artifacts))


def test_a_second_copy_has_nothing_to_do(store: LocalStore, other: LocalStore) -> None:
    ship(made(store), store, other)
    again = FailingStore(other, 0, done=False)
    shipment = ship(made(store), store, again)
    assert (shipment.artifacts, shipment.parts, shipment.n_bytes) == ((), (), 0)
    assert again.calls == 2  # a look at each card


def test_cards_come_when_all_parts_are_there(store: LocalStore, other: LocalStore) -> None:
    shipment = Shipment.of(made(store), store, other)
    for _ in shipment.send_parts():
        assert not [key for key in keys(other) if key.endswith("card.json")]
    assert len(keys(other)) == 8
    shipment.commit()
    assert len(keys(other)) == 10


def test_parts_that_a_stopped_copy_left_are_not_copied_again(store: LocalStore, other: LocalStore) -> None:
    artifacts = made(store)
    sending = Shipment.of(artifacts, store, other).send_parts()
    arrived = next(sending)
    sending.close()
    rest = Shipment.of(artifacts, store, other)
    assert arrived not in [part for _, part in rest.parts]
    assert ship(artifacts, store, other).parts == rest.parts
    assert keys(other) == keys(store)


def test_a_part_of_another_size_is_copied_again(store: LocalStore, other: LocalStore) -> None:
    artifacts = made(store)
    part = artifacts[0].card.parts[0]
    other.write(f"{artifacts[0]}/{part.name}", b"cut")
    ship(artifacts, store, other)
    assert keys(other) == keys(store)


def test_a_damaged_part_of_the_same_size_is_copied_again(
    store: LocalStore, other: LocalStore, caplog: pytest.LogCaptureFixture
) -> None:
    artifacts = made(store)
    whole, damaged = artifacts[0].card.parts[:2]
    other.write(f"{artifacts[0]}/{whole.name}", store.read(f"{artifacts[0]}/{whole.name}"))
    other.write(f"{artifacts[0]}/{damaged.name}", bytes(damaged.size))
    shipment = ship(artifacts, store, other)
    assert shipment.found == ((artifacts[0], whole), (artifacts[0], damaged))
    assert keys(other) == keys(store)
    assert f"checksum of {damaged.name}" in caplog.text
    assert whole.name not in caplog.text


@pytest.mark.parametrize("damage", [lambda data: data[:-1] + b"\0", lambda data: data[:-1], lambda data: None])
def test_nothing_is_committed_of_a_damaged_source(store: LocalStore, other: LocalStore, damage: Any) -> None:
    artifacts = made(store)
    part = artifacts[1].card.parts[1]
    key = f"{artifacts[1]}/{part.name}"
    damaged = damage(store.read(key))
    store.delete(key) if damaged is None else store.write(key, damaged)
    with pytest.raises(CorruptArtifact, match=part.name):
        ship(artifacts, store, other)
    assert not [key for key in keys(other) if key.endswith("card.json")]
    assert f"{artifacts[1]}/{part.name}" not in keys(other)


def test_one_made_there_from_the_same_inputs_will_do(store: LocalStore, other: LocalStore) -> None:
    """Two runs of one job differ in seconds, and their parts may be cut elsewhere."""
    made(other, n=2, seconds=9)
    before = keys(other)
    shipment = ship(made(store), store, other)
    assert shipment.artifacts == ()
    assert keys(other) == before


def test_another_account_under_the_same_id_is_a_conflict(store: LocalStore, other: LocalStore) -> None:
    made(other, rejects=(Reject("a", "/a", "embed", Reason.EMPTY, ""),))
    before = keys(other)
    with pytest.raises(Conflict, match=f"manifest/{IDS[0]}: {other.uri} has another of that id"):
        Shipment.of(made(store), store, other)
    assert keys(other) == before


def test_other_rows_rejected_are_a_conflict(store: LocalStore, other: LocalStore) -> None:
    made(other, rejects=(Reject("a", "/a", "embed", Reason.EMPTY, ""),))
    with pytest.raises(Conflict, match="other rows rejected"):
        Shipment.of(made(store, rejects=(Reject("b", "/b", "embed", Reason.EMPTY, ""),)), store, other)


def test_a_commit_that_came_between_is_seen(store: LocalStore, other: LocalStore) -> None:
    shipment = Shipment.of(made(store), store, other)
    made(other, seconds=9)
    shipment.commit()
    rejecting = LocalStore(other.root / "third")
    shipment = Shipment.of(made(store), store, rejecting)
    made(rejecting, rejects=(Reject("a", "/a", "embed", Reason.EMPTY, ""),))
    with pytest.raises(Conflict):
        shipment.commit()


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_store_that_fails_at_any_call_commits_nothing_half_and_the_next_run_ends_it(
    tmp_path: Path, side: str, done: bool
) -> None:
    source = LocalStore(tmp_path / "source")
    artifacts = made(source)
    for number in range(1, 100):
        target = LocalStore(tmp_path / str(number))
        failing = FailingStore(source if side == "source" else target, number, done=done)
        try:
            ship(artifacts, *((failing, target) if side == "source" else (source, failing)))
        except StoreUnavailable:
            for artifact in artifacts:
                if f"{artifact}/card.json" in keys(target):
                    verify(target, load(target, str(artifact)))
            ship(artifacts, source, target)
        else:
            break
        assert keys(target) == keys(source)
    assert number == failing.calls + 1 > 5  # every call had its turn


@pytest.fixture
def bucket(moto: Server, in_environment_of: Callable[..., None]) -> str:
    in_environment_of(moto)
    return moto.make_bucket("copying")


def test_a_bucket_that_often_fails_gets_and_gives_the_same(
    store: LocalStore, other: LocalStore, bucket: str, moto: Server, in_environment_of: Callable[..., None]
) -> None:
    artifacts = made(store, n=12)
    with faulty(moto, share(0.3, Fault.SLOW_DOWN, Fault.INTERNAL, Fault.RESET, Fault.CUT, Fault.LOST)) as proxy:
        in_environment_of(proxy.server)
        there = S3Store.at(f"{bucket}/often-fails")
        ship(artifacts, store, there)
        ship(artifacts, there, other)
        assert proxy.faults.total() > 10
    assert keys(other) == keys(store)


def test_from_a_folder_to_a_bucket_to_another_and_back(store: LocalStore, other: LocalStore, bucket: str) -> None:
    artifacts = made(store, n=12)
    first, second = S3Store.at(f"{bucket}/first"), S3Store.at(f"{bucket}/second")
    for source, target in ((store, first), (first, second), (second, other)):
        shipment = ship(artifacts, source, target)
        assert len(shipment.parts) == 26
        assert ship(artifacts, source, target).parts == ()
    assert keys(first) == keys(second) == keys(other) == keys(store)

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch.errors import (
    Conflict,
    CorruptArtifact,
    IncompleteEmbeddings,
    InvalidSpec,
    MissingArtifact,
    StoreUnavailable,
)
from revsearch.fingerprint import sha256_hex
from revsearch.rejects import Reason, Reject
from revsearch.storage.artifact import Artifact, Draft, complete, fetch, find, load, verify
from revsearch.storage.card import Card, Counts, Part
from revsearch.storage.local import LocalStore
from revsearch.storage.reject_table import encode_rejects
from revsearch.storage.store import Store
from tests.storage.failing import FailingStore

Rows = NDArray[np.int64]
ID = "0123456789ab"
NAME = f"embeddings/{ID}"


def draft(store: Store) -> Draft:
    return Draft(store, "embeddings", ID, {"encoder": "e"}, {"manifest": "manifest/0"})


# Parts and cards


def test_a_part_is_named_by_its_bytes(store: LocalStore, tmp_path: Path) -> None:
    part = draft(store).put("part", ".parquet", b"rows")
    sha256 = sha256_hex(b"rows")
    assert part == Part(f"part-{sha256}.parquet", 4, sha256)
    assert store.read(f"{NAME}/{part.name}") == b"rows"
    (tmp_path / "file").write_bytes(b"rows")
    assert draft(store).put_file("part", ".parquet", tmp_path / "file") == part


def test_parts_of_an_earlier_run_are_found_by_stem_and_in_order(store: LocalStore) -> None:
    put = [draft(store).put("part", ".parquet", bytes([n])) for n in range(5)]
    draft(store).put("rejects", ".parquet", b"none")
    store.write(f"{NAME}/part-short.parquet", b"no part: its name is no hash")
    store.write(f"{NAME}/part-{'0' * 64}.parquet.bak", b"no part")
    assert draft(store).found_parts("part") == sorted(put, key=lambda part: part.name)
    assert [part.name.split("-")[0] for part in draft(store).found_parts("rejects")] == ["rejects"]


def test_an_artifact_is_there_only_when_its_card_is(store: LocalStore) -> None:
    making = draft(store)
    part = making.put("part", ".parquet", b"rows")
    assert making.find() is None
    made = making.commit(Counts(3, 2, {"empty": 1}), [part], facts={"dim": 2}, seconds={"embed": 1.23456})
    assert making.find() == load(store, NAME) == made
    assert (str(made), made.kind, made.id, made.path) == (NAME, "embeddings", ID, f"{store.uri}/{NAME}")
    card = made.card
    assert (card.spec, card.inputs, card.facts) == ({"encoder": "e"}, {"manifest": "manifest/0"}, {"dim": 2})
    assert (card.counts, card.parts, card.seconds) == (Counts(3, 2, {"empty": 1}), (part,), {"embed": 1.235})


def test_parts_are_looked_up_by_stem(commit: Callable[..., Artifact]) -> None:
    made = commit(parts={"graph-0.bin": b"0", "graph-1.bin": b"1", "members.parquet": b"m"})
    assert len(made.parts("graph")) == 2
    assert made.part("members").size == 1
    for stem, n_found in (("graph", 2), ("vectors", 0)):
        with pytest.raises(CorruptArtifact, match=f"expected one part {stem}, found {n_found}"):
            made.part(stem)


def test_what_was_given_as_tuples_is_on_the_card_as_it_will_be_read(store: LocalStore) -> None:
    making = Draft(store, "index", ID, {"embeddings": ("a", "b")}, {"sources": {1: ("c",)}})
    made = making.commit(Counts(0, 0), [])
    assert made == load(store, f"index/{ID}")
    assert (made.card.spec, made.card.inputs) == ({"embeddings": ["a", "b"]}, {"sources": {"1": ["c"]}})


# Finding


def test_there_is_no_such_id(store: LocalStore) -> None:
    assert find(store, "embeddings", ID) is None
    with pytest.raises(MissingArtifact, match=rf"no {NAME} in {store.uri}; `revsearch ls embeddings`") as caught:
        load(store, NAME)
    assert caught.value.exit_code == 2


def test_a_folder_without_a_card_is_unfinished(store: LocalStore) -> None:
    draft(store).put("part", ".parquet", b"rows")
    with pytest.raises(IncompleteEmbeddings, match=f"{NAME} is unfinished: .*run the command again") as caught:
        load(store, NAME)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("name", ["", ID, "embeddings", "embeddings/", f"weights/{ID}", f"/{NAME}", "../x"])
def test_what_is_no_full_id_is_refused(store: LocalStore, name: str) -> None:
    with pytest.raises(InvalidSpec, match="expected <kind>/<id>"):
        load(store, name)


def test_an_id_leads_nowhere_out_of_the_store(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_bytes(b"{}")
    with pytest.raises(InvalidSpec, match="a key of a store"):
        load(store, "manifest/../..")


@pytest.mark.parametrize("raw", [b"", b"{}", b"\x00" * 100])
def test_a_corrupt_card_is_never_taken_for_a_missing_one(store: LocalStore, raw: bytes) -> None:
    making = draft(store)
    part = making.put("part", ".parquet", b"0")
    store.write(f"{NAME}/card.json", raw)
    called: list[str] = []
    uses: list[Callable[[], object]] = [
        making.find,
        lambda: load(store, NAME),
        lambda: making.commit(Counts(1, 1), [part]),
        lambda: complete(making, 1, read_rows=called.append, do=called.append, finish=called.append),  # type: ignore[arg-type]  # none is called
    ]
    for use in uses:
        with pytest.raises(CorruptArtifact, match=f"remove {store.uri}/{NAME} and run"):
            use()
    assert called == []
    assert store.read(f"{NAME}/card.json") == raw


def test_the_card_of_another_artifact_is_corrupt(store: LocalStore, commit: Callable[..., Artifact]) -> None:
    commit("embeddings", ID)
    for other in (f"embeddings/{'f' * 12}", f"index/{ID}"):
        store.write(f"{other}/card.json", store.read(f"{NAME}/card.json"))
        with pytest.raises(CorruptArtifact, match=f"it is the card of {NAME}"):
            load(store, other)


# Races


def test_the_loser_of_a_commit_takes_the_winner_where_both_say_the_same(store: LocalStore) -> None:
    counts = Counts(3, 2, {"empty": 1}, n_ignored=1)
    winner = draft(store).commit(counts, [draft(store).put("part", ".parquet", b"first")], seconds={"embed": 1})
    loser = draft(store).commit(counts, [draft(store).put("part", ".parquet", b"second")], seconds={"embed": 2})
    assert loser == winner


def rejects(store: Store, *rows: tuple[str, Reason], message: str = "") -> Part:
    table = encode_rejects([Reject(id, f"/{message}/{id}", "embed", reason, message) for id, reason in rows])
    return draft(store).put("rejects", ".parquet", table)


def test_rejects_are_the_same_by_id_and_reason(store: LocalStore) -> None:
    counts, row = Counts(2, 1, {"empty": 1}), ("a", Reason.EMPTY)
    winner = draft(store).commit(counts, [rejects(store, row, message="here")])
    assert draft(store).commit(counts, [rejects(store, row, message="there")]) == winner
    assert draft(store).commit(counts, [rejects(store, row, message="here")]) == winner


def test_other_rejects_of_the_same_number_are_a_conflict(store: LocalStore) -> None:
    counts = Counts(2, 1, {"empty": 1})
    draft(store).commit(counts, [rejects(store, ("a", Reason.EMPTY))])
    with pytest.raises(Conflict, match=f"{NAME} was committed meanwhile.*rejected other rows"):
        draft(store).commit(counts, [rejects(store, ("b", Reason.EMPTY))])


@pytest.mark.parametrize("counts", [Counts(3, 3), Counts(3, 2, {"corrupt": 1}), Counts(4, 3, {"empty": 1})])
def test_a_winner_with_another_account_is_a_conflict(store: LocalStore, counts: Counts) -> None:
    winner = draft(store).commit(Counts(3, 2, {"empty": 1}), [])
    with pytest.raises(Conflict, match=f"{NAME} was committed meanwhile.*run `verify {NAME}`") as caught:
        draft(store).commit(counts, [])
    assert caught.value.exit_code == 6
    assert load(store, NAME) == winner


def test_of_many_equal_jobs_at_once_all_have_one_artifact(store: LocalStore) -> None:
    def job(number: int) -> Artifact:
        making = draft(store)
        return making.commit(Counts(1, 1), [making.put("part", ".parquet", bytes([number]))])

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(job, range(8)))
    assert made == [load(store, NAME)] * 8


# Checksums


@pytest.fixture
def part_bytes() -> bytes:
    return np.random.default_rng(0).bytes(3_000)


def faults(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield from (("cut", data[:-1]), ("cut in half", data[: len(data) // 2]), ("nothing", b""))
    yield from (("appended to", data + b"\0"), ("twice", data * 2), ("zeroed tail", data[:-64] + bytes(64)))
    rng = np.random.default_rng(1)
    for place, bit in zip(rng.integers(0, len(data), 600), rng.integers(0, 8, 600), strict=True):
        flipped = bytearray(data)
        flipped[place] ^= 1 << bit
        yield f"bit {bit} of byte {place}", bytes(flipped)


def test_any_damage_to_a_part_is_seen(
    store: LocalStore, commit: Callable[..., Artifact], part_bytes: bytes, tmp_path: Path
) -> None:
    made = commit(parts={"graph.bin": part_bytes})
    part = made.part("graph")
    path = store.root / NAME / part.name
    assert fetch(store, NAME, part, tmp_path) == path
    verify(store, made)
    again = f"remove {store.uri}/{NAME} and run the command that made it again"
    for what, data in faults(part_bytes):
        path.write_bytes(data)
        with pytest.raises(CorruptArtifact, match=f"{NAME}: checksum of {part.name}: .*; {again}") as caught:
            fetch(store, NAME, part, tmp_path)
        assert (caught.value.reason, caught.value.exit_code) == ("checksum", 5), what
    path.write_bytes(part_bytes)
    assert fetch(store, NAME, part, tmp_path) == path


def test_a_part_that_is_gone_is_corruption_and_not_a_wrong_id(
    store: LocalStore, commit: Callable[..., Artifact], tmp_path: Path
) -> None:
    made = commit(parts={"graph.bin": b"0"})
    store.delete(f"{NAME}/{made.part('graph').name}")
    for use in (lambda: fetch(store, NAME, made.part("graph"), tmp_path), lambda: verify(store, made)):
        with pytest.raises(CorruptArtifact, match=r"part graph-.* is gone; remove .* and run the command"):
            use()


def test_verify_looks_at_every_part(store: LocalStore, commit: Callable[..., Artifact]) -> None:
    made = commit(parts={"a.bin": b"0", "b.bin": b"1", "c.bin": b"2"})
    for part in made.card.parts:
        path = store.root / NAME / part.name
        whole = path.read_bytes()
        path.write_bytes(b"x")
        with pytest.raises(CorruptArtifact, match=part.name):
            verify(store, made)
        path.write_bytes(whole)
    verify(store, made)


def test_verify_keeps_one_part_on_this_disk(store: LocalStore, commit: Callable[..., Artifact]) -> None:
    class Elsewhere(LocalStore):
        """Gives copies, as buckets do."""

        def download(self, key: str, folder: Path) -> Path:
            assert not any(path.exists() for path in copies)
            copies.append(folder / str(len(copies)))
            copies[-1].write_bytes(self.read(key))
            return copies[-1]

    copies: list[Path] = []
    verify(Elsewhere(store.root), commit(parts={"a.bin": b"0", "b.bin": b"1", "c.bin": b"2"}))
    assert len(copies) == 3
    assert not any(path.exists() for path in copies)


# Resuming


class Job:
    """A stage whose parts hold up to 3 rows each, as text."""

    def __init__(self, store: Store, n_rows: int = 10) -> None:
        self.store, self.n_rows, self.draft = store, n_rows, draft(store)
        self.asked: list[int] = []
        self.lost: set[int] = set()

    def read_rows(self, part: Part) -> Rows:
        text = self.store.read(f"{self.draft.prefix}/{part.name}").decode()
        return np.array(text.split(), np.int64)

    def do(self, missing: Rows) -> None:
        assert missing.dtype == np.int64
        self.asked += missing.tolist()
        left = [row for row in missing.tolist() if row not in self.lost]
        for start in range(0, len(left), 3):
            self.put(*left[start : start + 3])

    def put(self, *rows: int) -> None:
        self.draft.put("part", ".txt", " ".join(map(str, rows)).encode())

    def finish(self, parts: list[Part]) -> Artifact:
        rejects = self.draft.put("rejects", ".txt", b"none")
        return self.draft.commit(Counts(self.n_rows, self.n_rows), [*parts, rejects])

    def run(self) -> Artifact:
        return complete(self.draft, self.n_rows, read_rows=self.read_rows, do=self.do, finish=self.finish)

    def rows_of(self, made: Artifact) -> list[int]:
        return sorted({row for part in made.parts("part") for row in self.read_rows(part).tolist()})


def test_all_rows_are_done_once_and_then_nothing(store: LocalStore) -> None:
    job = Job(store)
    made = job.run()
    assert job.asked == job.rows_of(made) == list(range(10))
    again = Job(store)
    assert again.run() == made
    assert again.asked == []


def test_only_missing_rows_are_done(store: LocalStore) -> None:
    job = Job(store)
    job.put(1, 8)
    job.put(4)
    made = job.run()
    assert job.asked == [0, 2, 3, 5, 6, 7, 9]
    assert job.rows_of(made) == list(range(10))


def test_nothing_is_done_where_only_the_card_is_missing(store: LocalStore) -> None:
    job = Job(store, n_rows=3)
    job.put(0, 1, 2)
    job.run()
    assert job.asked == []


def test_rows_that_two_parts_hold_count_once_and_a_needless_part_is_left_out(store: LocalStore) -> None:
    job = Job(store, n_rows=4)
    for rows in ((0, 1), (1, 2), (0, 1, 2), (2, 3), (3,)):
        job.put(*rows)
    made = job.run()
    assert job.asked == []
    assert job.rows_of(made) == [0, 1, 2, 3]
    seen: set[int] = set()
    for part in made.parts("part"):  # each adds a row to those before it
        fresh = set(job.read_rows(part).tolist()) - seen
        assert fresh
        seen |= fresh
    assert len(made.parts("part")) < len(job.draft.found_parts("part"))


def test_of_equal_jobs_at_once_each_ends_with_the_one_artifact(store: LocalStore) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: Job(store).run(), range(4)))
    assert made == [load(store, NAME)] * 4
    assert Job(store).rows_of(made[0]) == list(range(10))


def test_an_artifact_of_no_rows_is_finished_at_once(store: LocalStore) -> None:
    job = Job(store, n_rows=0)
    assert job.run().parts("part") == []
    assert job.asked == []


def test_rows_that_are_still_missing_are_an_error_and_no_artifact(store: LocalStore) -> None:
    job = Job(store)
    job.lost = {2, 7}
    with pytest.raises(IncompleteEmbeddings, match=r"2 of 10 rows are neither embedded nor rejected, first: \[2, 7\]"):
        job.run()
    assert job.draft.find() is None
    job.lost, job.asked = set(), []
    assert job.rows_of(job.run()) == list(range(10))
    assert job.asked == [2, 7]


# The storage layer fails at call N


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_a_store_that_fails_at_any_call_ends_cleanly_and_the_next_run_gives_the_same(
    tmp_path: Path, done: bool
) -> None:
    expected = Job(LocalStore(tmp_path / "expected"))
    counts = expected.run().card.counts
    for number in range(1, 100):
        real = LocalStore(tmp_path / str(number))
        failing = FailingStore(real, number, done=done)
        try:
            Job(failing).run()
        except StoreUnavailable:
            again = Job(real)
            made = again.run()
            assert len(again.asked) in {0, *range(1, 11, 3)}  # whole parts, none of them done again
        else:
            made = load(real, NAME)
            assert failing.calls < number
            break
        assert made.card.counts == counts
        assert again.rows_of(made) == list(range(10))
        verify(real, made)
        assert Card.from_bytes(real.read(f"{NAME}/card.json"), "") == made.card
    assert number == failing.calls + 1 > 10  # every call had its turn

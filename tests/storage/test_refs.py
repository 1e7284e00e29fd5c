import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from revsearch.errors import Conflict, CorruptArtifact, InvalidSpec
from revsearch.fingerprint import canonical_json
from revsearch.storage.local import LocalStore
from revsearch.storage.refs import list_refs, move_ref, read_ref, require_name, update_ref

A, B, C = (f"rankings/{digit * 12}" for digit in "abc")


def test_a_ref_moves_and_keeps_what_it_pointed_to_newest_first(store: LocalStore) -> None:
    assert read_ref(store, "best") is None
    for artifact in (A, B, B, C):
        move_ref(store, "best", artifact)
    found = read_ref(store, "best")
    assert found is not None
    assert (found["artifact"], found["previous"]) == (C, [B, A])
    assert isinstance(found["when"], int)


def test_a_move_to_where_it_is_changes_nothing(store: LocalStore) -> None:
    move_ref(store, "best", A)
    before = store.read("refs/best.json")
    move_ref(store, "best", A)
    assert store.read("refs/best.json") == before


def test_what_changes_nothing_needs_no_leave_to_write(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    update_ref(store, "n", lambda _: {"n": 1})
    monkeypatch.delattr(LocalStore, "swap")
    assert update_ref(store, "n", lambda _: {"n": 1}) == {"n": 1}
    with pytest.raises(AttributeError):
        update_ref(store, "n", lambda _: {"n": 2})


def test_refs_are_listed_without_those_of_the_house(store: LocalStore) -> None:
    move_ref(store, "best", A)
    move_ref(store, "nights/2024-01-31", B)
    update_ref(store, "internal/roots/x", lambda _: {"roots": {}})
    store.write("refs/internal/listings/y.json", b"broken, but nobody's ref")
    update_ref(store, "other", lambda _: {"lease": 1})
    assert list_refs(store) == {"best": A, "nights/2024-01-31": B}


BAD_NAMES = ["", "/a", "a/", "a//b", "..", "a/../b", ".hidden", "-a", "a b", "a\nb", "a\n", "ä", "a\0", "a/.lock"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_no_path_of_plain_letters_is_refused(store: LocalStore, name: str) -> None:
    uses: list[Callable[[], object]] = [
        lambda: require_name(name),
        lambda: move_ref(store, name, A),
        lambda: update_ref(store, name, lambda _: {}),
    ]
    for use in uses:
        with pytest.raises(InvalidSpec, match="--name: expected letters"):
            use()
    assert list(store.list("")) == []


def test_names_of_the_house_are_not_for_artifacts(store: LocalStore) -> None:
    uses: list[Callable[[], object]] = [
        lambda: require_name("internal/roots/x"),
        lambda: move_ref(store, "internal/roots/x", A),
    ]
    for use in uses:
        with pytest.raises(InvalidSpec, match="internal/"):
            use()
    assert list(store.list("")) == []


@pytest.mark.parametrize("name", ["a", "best-2", "nights/2024-01-31", "v1.0_final", "internal"])
def test_other_names_may_be_given(store: LocalStore, name: str) -> None:
    require_name(name)
    move_ref(store, name, A)
    assert list_refs(store) == {name: A}


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"1", b'"a"', b"\xff", b"null", b"[" * 100_000])
def test_a_ref_that_is_no_object_is_corrupt_and_not_missing(store: LocalStore, raw: bytes) -> None:
    store.write("refs/best.json", raw)
    for use in (
        lambda: read_ref(store, "best"),
        lambda: list_refs(store),
        lambda: move_ref(store, "best", A),
    ):
        with pytest.raises(CorruptArtifact, match=r"ref best: .*remove refs/best\.json"):
            use()
    assert store.read("refs/best.json") == raw


def test_no_flipped_bit_of_a_ref_is_an_internal_failure(store: LocalStore) -> None:
    move_ref(store, "best", A)
    move_ref(store, "best", B)
    raw = store.read("refs/best.json")
    path = store.root / "refs" / "best.json"
    for place in range(len(raw)):
        for bit in (0, 5, 7):  # another letter, the other case or a control sign, no ASCII
            flipped = bytearray(raw)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            for use in (lambda: list_refs(store), lambda: move_ref(store, "best", B)):
                with suppress(CorruptArtifact):
                    use()


class Rival(LocalStore):
    """Lets somebody else win the first races."""

    def __init__(self, store: LocalStore, losses: int) -> None:
        super().__init__(store.root)
        self.losses = losses

    def swap(self, key: str, old: bytes | None, new: bytes) -> bool:
        if self.losses:
            self.losses -= 1
            seen = json.loads(old)["n"] if old else 0
            assert super().swap(key, old, canonical_json({"n": seen + 100}))
        return super().swap(key, old, new)


def test_after_a_lost_race_the_change_is_made_to_what_the_winner_left(store: LocalStore) -> None:
    rival = Rival(store, losses=3)
    assert update_ref(rival, "n", lambda found: {"n": (found or {"n": 0})["n"] + 1}) == {"n": 301}
    assert read_ref(store, "n") == {"n": 301}


def test_who_always_loses_gives_up(store: LocalStore) -> None:
    with pytest.raises(Conflict, match="ref n: lost 20 compare-and-swaps"):
        update_ref(Rival(store, losses=1000), "n", lambda _: {"n": 0})


def test_of_many_movers_none_is_lost(store: LocalStore) -> None:
    ids = [f"rankings/{number:012x}" for number in range(16)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda id: move_ref(store, "best", id), ids))
    found = read_ref(store, "best")
    assert found is not None
    assert sorted([found["artifact"], *found["previous"]]) == ids

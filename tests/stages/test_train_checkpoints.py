"""Checkpoints in a store: the latest whole one counts, two are kept, none stays behind."""

import logging
from typing import Any

import pytest
import torch

from revsearch.stages.train_checkpoints import discard, keep, last_epoch, latest
from revsearch.storage.artifact import Draft
from revsearch.storage.local import LocalStore


@pytest.fixture
def draft(store: LocalStore) -> Draft:
    """An unfinished run, beside which there is another part already."""
    draft = Draft(store, "encoder", "0123456789ab", {}, {})
    draft.put("triplets", ".png", b"png")
    return draft


def kept(draft: Draft, *epochs: int) -> Draft:
    for epoch in epochs:
        values: dict[str, Any] = {"step": 10 * epoch, "history": {"losses": [0.1, 1 / 3], "epochs": []}}
        keep(draft, epoch, {"weights": torch.full((2, 3), float(epoch)), "count": torch.tensor(epoch)}, values)
    return draft


def epochs_in(draft: Draft) -> list[int]:
    return [int(part.name.split("-")[1]) for part in draft.found_parts("checkpoint")]


def damage(store: LocalStore, draft: Draft, place: int, how: str) -> None:
    path = store.root / draft.prefix / draft.found_parts("checkpoint")[place].name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes({"flipped": bytes(data), "cut": bytes(data[:20]), "empty": b""}[how])


def step_of(draft: Draft) -> int | None:
    saved = latest(draft)
    return None if saved is None else saved[1]["step"]


def test_what_was_kept_comes_back(draft: Draft) -> None:
    saved = latest(kept(draft, 3))
    assert saved is not None
    tensors, values = saved
    assert values == {"step": 30, "history": {"losses": [0.1, 1 / 3], "epochs": []}}
    assert tensors.keys() == {"weights", "count"}
    assert torch.equal(tensors["weights"], torch.full((2, 3), 3.0))
    assert torch.equal(tensors["count"], torch.tensor(3))


def test_there_is_none_at_first(draft: Draft) -> None:
    assert latest(draft) is None


def test_the_last_two_are_kept_and_the_latest_counts(draft: Draft) -> None:
    reached = []
    for epoch in (0, 1, 2, 9, 10, 11):  # in the order of numbers, not of digits
        kept(draft, epoch)
        reached.append((epochs_in(draft), step_of(draft)))
    assert reached == [([0], 0), ([0, 1], 10), ([1, 2], 20), ([2, 9], 90), ([9, 10], 100), ([10, 11], 110)]


def test_the_same_again_is_the_same_checkpoint(draft: Draft) -> None:
    assert epochs_in(kept(draft, 4, 5, 5, 5)) == [4, 5]


@pytest.mark.parametrize("how", ["flipped", "cut", "empty"])
def test_damaged_ones_are_passed_over(
    draft: Draft, store: LocalStore, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    damage(store, kept(draft, 1, 2), -1, how)
    with caplog.at_level(logging.WARNING):
        assert step_of(draft) == 10
    assert "going on from the one before" in caplog.text
    assert "checkpoint-000002" in caplog.text
    damage(store, draft, 0, how)
    assert step_of(draft) is None


def test_a_damaged_one_is_made_again(draft: Draft, store: LocalStore) -> None:
    damage(store, kept(draft, 1, 2), -1, "flipped")
    assert (epochs_in(kept(draft, 2)), step_of(draft)) == ([1, 2], 20)


def test_what_is_whole_but_no_checkpoint_is_passed_over(draft: Draft) -> None:
    kept(draft, 1)
    draft.put("checkpoint-000002", ".safetensors", b"something else")
    assert step_of(draft) == 10


def test_discarding_leaves_other_parts(draft: Draft) -> None:
    discard(kept(draft, 1, 2))
    assert latest(draft) is None
    assert [info.key.rpartition("/")[2].split("-")[0] for info in draft.store.list(draft.prefix)] == ["triplets"]
    discard(draft)


def test_the_last_epoch_counts_whole_or_not(store: LocalStore, draft: Draft) -> None:
    assert last_epoch(draft) == 0
    assert last_epoch(kept(draft, 9, 10)) == 10
    damage(store, draft, 1, "empty")
    assert last_epoch(draft) == 10

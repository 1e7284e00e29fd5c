"""What a stage records of itself, without Ray."""

import time
from typing import Any

import pytest

from revsearch.errors import CorruptArtifact
from revsearch.specs import Resources
from revsearch.stages import cluster, meters
from revsearch.stages.meters import Work
from revsearch.stages.recording import Recording, timeline_of
from revsearch.storage.artifact import Artifact, Draft
from revsearch.storage.card import Counts
from revsearch.storage.local import LocalStore
from revsearch.storage.roots import place_of
from revsearch.timeline import WAIT, Span, Timeline


def committed(store: LocalStore, **facts: Any) -> Artifact:
    return Draft(store, "index", "0123456789ab", {}, {}).commit(Counts(0, 0), [], facts=facts)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Work]]:
    """What would be counted in Ray's metrics."""
    told: list[tuple[str, Work]] = []
    monkeypatch.setattr(meters, "count", lambda stage, work: told.append((stage, work)))
    return told


def test_what_this_process_does_is_a_unit_of_work(counted: list[tuple[str, Work]]) -> None:
    recording = Recording("rank")
    with recording.time("write"):
        time.sleep(0.02)
    assert recording.seconds["write"] >= 0.02
    ((stage, work),) = counted
    assert (stage, work.seconds) == ("rank", pytest.approx(recording.seconds))


def test_a_block_that_fails_is_recorded_too() -> None:
    recording = Recording("rank")
    with pytest.raises(ValueError, match="no"), recording.time("write"):
        raise ValueError("no")
    assert list(recording.seconds) == ["write"]


def test_workers_are_starting_until_the_first_has_done_something(counted: list[tuple[str, Work]]) -> None:
    began = time.time() - 10
    recording = Recording("embed", began=began)
    with recording.time("list"):
        pass
    with recording.pool(3):
        now = time.time()
        recording.add(Span(now + 2, now + 4, {"embed": 2.0}), Span(now + 3, now + 5, {"embed": 1.0}))
    assert recording.seconds["start"] == pytest.approx(3 * 2, abs=0.1)
    assert recording.seconds["embed"] == pytest.approx(3.0)
    assert list(recording.seconds) == ["list", "embed", "start"]
    assert recording.timeline.began == began
    assert sum(work.seconds.get("start", 0) for _, work in counted) == pytest.approx(recording.seconds["start"])


def test_a_pool_that_is_given_nothing_is_there_all_the_same() -> None:
    recording = Recording("embed")
    with recording.pool(4):
        time.sleep(0.05)
    timeline = recording.timeline
    assert timeline.there.sum() >= 4 * 0.05
    assert timeline.seconds().get("start", 0.0) == 0.0
    assert timeline.shares()[WAIT] == 1.0


def test_a_pool_of_nobody_leaves_the_error_of_the_block() -> None:
    """All nodes were lost: what comes of that is told, not that nobody can wait."""
    recording = Recording("rank")

    def fail() -> None:
        time.sleep(0.02)
        raise ValueError("no nodes")

    with pytest.raises(ValueError, match="no nodes"), recording.pool(0):
        fail()
    assert (recording.timeline.there >= 0).all()


def test_a_worker_whose_clock_is_behind_has_not_started_before_it_was_asked_for() -> None:
    recording = Recording("embed")
    with recording.pool(2):
        recording.add(Span(recording.began - 50, recording.began - 49, {"embed": 1.0}))
    assert recording.seconds == pytest.approx({"embed": 1.0, "start": 0.0})


def test_who_goes_on_with_what_another_began_was_started_meanwhile() -> None:
    recording = Recording("build-index", began=time.time() - 5)
    recording.started()
    with recording.time("merge"):
        pass
    assert recording.seconds["start"] == pytest.approx(5, abs=0.2)
    recording.started()
    assert recording.seconds["start"] == pytest.approx(5, abs=0.4)


def test_connecting_is_recorded(monkeypatch: pytest.MonkeyPatch, store: LocalStore) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(cluster, "connect", lambda *asked: calls.append(asked))
    recording, pictures = Recording("embed"), [place_of("/in/a.jpg")]
    recording.connect(Resources(), store, pictures)
    assert calls == [(Resources(), store, pictures)]
    assert list(recording.seconds) == ["start"]


def test_the_card_keeps_it(store: LocalStore) -> None:
    recording = Recording("rank")
    recording.add(Span(recording.began, recording.began + 1, {"rank": 0.75}))
    found = timeline_of(committed(store, **recording.facts()))
    assert found is not None
    assert found.seconds() == pytest.approx({"rank": 0.75}, abs=0.03)


def test_older_cards_have_none(store: LocalStore) -> None:
    assert timeline_of(committed(store)) is None


@pytest.mark.parametrize("kept", [None, "yes", {}, {**Timeline.idle(1e9, 1e9 + 1).to_dict(), "began": -1}])
def test_a_card_that_keeps_something_else_is_corrupt(store: LocalStore, kept: Any) -> None:
    with pytest.raises(CorruptArtifact, match="index/0123456789ab"):
        timeline_of(committed(store, timeline=kept))

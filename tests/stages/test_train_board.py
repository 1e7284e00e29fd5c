"""What a run's workers tell the driver: each thing once, in order; and how a run ends."""

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
import ray

from revsearch.errors import CorruptArtifact, InvalidSpec, RevsearchError, TrainingCollapsed
from revsearch.stages.train_board import Board, Notices
from revsearch.stages.train_work import Shown
from revsearch.timeline import Span, Timeline

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def taken(board: Board) -> Callable[[], Notices]:
    def taken() -> Notices:
        notices: Notices = ray.get(board._actor.take.remote())
        return notices

    return taken


def test_what_is_told_is_taken_once(board: Board, taken: Callable[[], Notices]) -> None:
    assert taken() == Notices()
    board.tell(5)
    board.tell(0, "one", "two")
    board.tell(12, "three")
    assert taken() == Notices(12, ["one", "two", "three"])
    assert taken() == Notices()


def test_a_worker_tells_by_its_copy(board: Board, taken: Callable[[], Notices]) -> None:
    @ray.remote(num_cpus=1)
    def work(board: Board) -> None:
        board.tell(3, "from a worker")
        board.fail(InvalidSpec("no"))

    ray.get(work.remote(board))
    assert taken() == Notices(3, ["from a worker"])
    assert board.failed


def test_a_run_that_gave_nothing_has_no_outcome(board: Board) -> None:
    assert not board.failed
    assert board.outcome() is None


def test_the_outcome_is_handed_over(board: Board) -> None:
    outcome: Any = [Shown(1, [(2, 0.5)], [], frozenset({2}))]
    board.finish(outcome)
    assert board.outcome() == outcome
    assert not board.failed


def test_what_each_worker_did_is_kept_as_it_last_said(board: Board) -> None:
    first, second = (Timeline.of([Span(100.0, 110.0, {"step": seconds})]) for seconds in (4.0, 9.0))
    board.record("one", first)
    board.record("other", first)
    board.record("one", second)
    assert sorted(timeline.seconds()["step"] for timeline in board.timelines()) == pytest.approx([4.0, 9.0])


@pytest.mark.parametrize(
    "error", [InvalidSpec("one", "two"), CorruptArtifact("cut", reason="weights"), TrainingCollapsed("one point")]
)
def test_an_error_ends_the_run_as_it_was_raised(board: Board, error: RevsearchError) -> None:
    board.fail(error)
    board.fail(InvalidSpec("a worker that stopped with it"))  # the first is the cause
    board.finish("something")
    assert board.failed
    with pytest.raises(RevsearchError) as raised:
        board.outcome()
    assert (type(raised.value), str(raised.value)) == (type(error), str(error))
    assert (raised.value.reason, raised.value.exit_code) == (error.reason, error.exit_code)
    assert vars(raised.value) == vars(error)


def test_what_workers_tell_is_logged(board: Board, caplog: pytest.LogCaptureFixture) -> None:
    def run() -> None:
        board.tell(8, "epoch 1: 50% [done] %s")
        board.tell(12)

    with caplog.at_level(logging.INFO, "revsearch"):
        board.watch(run, "train", 20)
    progress = [vars(record) for record in caplog.records if hasattr(record, "step")]
    assert (progress[0]["done"], progress[-1]["done"]) == (0, 12)
    assert {(told["step"], told["total"]) for told in progress} == {("train", 20)}
    lines = [record.getMessage() for record in caplog.records if not hasattr(record, "step")]
    assert lines == ["epoch 1: 50% [done] %s"]


def test_views_that_are_trained_on_again_are_counted_once(board: Board, caplog: pytest.LogCaptureFixture) -> None:
    """A worker that was started again says less than was said before it died."""

    def run() -> None:
        board.tell(12)
        board.tell(8)

    with caplog.at_level(logging.INFO, "revsearch.progress"):
        board.watch(run, "train", 20)
    assert [vars(record)["done"] for record in caplog.records] == [0, 12]


def test_it_is_looked_at_while_the_run_goes_on(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = threading.Event()
    monkeypatch.setattr("revsearch.stages.train_board._LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(logging.getLogger("revsearch.stages.train_board"), "info", lambda *_: shown.set())

    def run() -> None:
        board.tell(1, "early")
        assert shown.wait(30), "nothing was shown before the end"

    board.watch(run, "train", 20)


def test_a_run_that_fails_is_told_to_its_end(board: Board, caplog: pytest.LogCaptureFixture) -> None:
    def run() -> None:
        board.tell(2, "the last word")
        raise ZeroDivisionError

    with caplog.at_level(logging.INFO, "revsearch"), pytest.raises(ZeroDivisionError):
        board.watch(run, "train", 20)
    assert "the last word" in caplog.text


def test_a_board_that_is_gone_hides_nothing(board: Board) -> None:
    def run() -> None:
        ray.kill(board._actor)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        board.watch(run, "train", 20)

import pickle
from collections.abc import Iterator

import pytest

from revsearch import errors
from revsearch.errors import CorruptArtifact, InvalidSpec, PermanentError, RevsearchError, TransientError, cause_of


def tree(root: type[RevsearchError]) -> Iterator[type[RevsearchError]]:
    """Yield the drawn errors; Ray makes further subclasses as it carries them home."""
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


ALL = sorted(set(tree(RevsearchError)), key=lambda error: error.__name__)
EXIT_CODES = {
    "InvalidSpec": 2,
    "MissingArtifact": 2,
    "CorruptArtifact": 5,
    "SpaceMismatch": 5,
    "IncompleteEmbeddings": 5,
    "TrainingCollapsed": 4,
    "TrainingDiverged": 5,
    "Conflict": 6,
    "TransientError": 75,
    "StoreUnavailable": 75,
    "ClusterUnavailable": 75,
    "DiskFull": 75,
}


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_error_has_the_exit_code_of_the_drawn_tree(error: type[RevsearchError]) -> None:
    assert error.exit_code == EXIT_CODES.get(error.__name__, 1)
    assert error.__name__ in (errors.__doc__ or "")


def test_no_error_is_permanent_and_transient() -> None:
    assert set(ALL) - {RevsearchError} == set(tree(PermanentError)) | set(tree(TransientError))
    assert not set(tree(PermanentError)) & set(tree(TransientError))


def test_every_reason_is_one_word_for_one_error() -> None:
    reasons = [error.reason for error in ALL if "reason" in vars(error)]
    assert len(reasons) == len(set(reasons))
    assert all(reason.replace("_", "").isalpha() for reason in reasons)


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_errors_travel_between_processes(error: type[RevsearchError], protocol: int) -> None:
    sent = error("expected a, found b\nin c")
    back = pickle.loads(pickle.dumps(sent, protocol))
    assert type(back) is error
    assert (str(back), back.reason, back.exit_code) == (str(sent), sent.reason, sent.exit_code)
    assert back.args == sent.args


def test_a_corruption_keeps_its_own_reason_on_the_way() -> None:
    back = pickle.loads(pickle.dumps(CorruptArtifact("newer", reason="newer_schema")))
    assert (str(back), back.reason, back.exit_code) == ("newer", "newer_schema", 5)


def test_all_problems_of_a_spec_arrive_one_by_one() -> None:
    sent = InvalidSpec("--k: expected at least 1, found 0", "--M: expected at least 2,\nfound 1")
    for error in (sent, pickle.loads(pickle.dumps(sent))):
        assert error.problems == ("--k: expected at least 1, found 0", "--M: expected at least 2,\nfound 1")
        assert str(error) == "\n".join(error.problems)


class Wrapped(Exception):
    """As Ray wraps what a task raised."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__("ray::task() Traceback ...")
        self.cause = cause


class Both(Wrapped, RevsearchError):
    """As Ray wraps it where it can: of the task's own type, too."""


def test_the_cause_is_found_where_others_were_raised_around_it() -> None:
    own = InvalidSpec("x")
    around = RuntimeError("y")
    around.__cause__ = Wrapped(own)
    for error in (own, Wrapped(own), Both(own), Both(Wrapped(own)), around):
        assert cause_of(error, RevsearchError) is own
    assert cause_of(around, KeyError, RuntimeError) is around
    assert cause_of(Both(KeyError("z")), RevsearchError) is None
    assert cause_of(None, RevsearchError) is None


def test_causes_that_go_in_a_circle_end() -> None:
    own = InvalidSpec("x")
    own.__cause__ = Wrapped(own)
    assert cause_of(own, KeyError) is None

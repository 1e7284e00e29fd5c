import os
import signal

import pytest

from jobs.failure import Terminated, ending_of, sigterm_raises, traceback_lines
from revsearch.errors import (
    Conflict,
    CorruptArtifact,
    DiskFull,
    IncompleteEmbeddings,
    InvalidSpec,
    MissingArtifact,
    RevsearchError,
    SpaceMismatch,
    StoreUnavailable,
)


class RayTaskErrorAlike(Exception):
    """Ray's has the worker's error under `cause`, and its own long text."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__("ray::task() Traceback ...")
        self.cause = cause


class DualTypedAlike(RayTaskErrorAlike, RevsearchError):
    """Ray gives an error that is also of the worker's own type."""


def caused_by(outer: BaseException, inner: BaseException) -> BaseException:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (InvalidSpec("x"), 2, "usage"),
        (MissingArtifact("x"), 2, "missing_artifact"),
        (CorruptArtifact("x"), 5, "checksum"),
        (CorruptArtifact("x", reason="newer_schema"), 5, "newer_schema"),
        (SpaceMismatch("x"), 5, "space_mismatch"),
        (IncompleteEmbeddings("x"), 5, "unfinished"),
        (Conflict("x"), 6, "conflict"),
        (StoreUnavailable("x"), 75, "store_unavailable"),
        (DiskFull("x"), 75, "disk_full"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Terminated(), 143, "terminated"),
        (SystemExit(15), 143, "terminated"),
        (SystemExit(0), 1, "internal"),
        (caused_by(SystemError("returned a result with an exception set"), Terminated()), 143, "terminated"),
        (caused_by(SystemError("returned a result with an exception set"), KeyboardInterrupt()), 130, "interrupted"),
        (SystemError("x"), 1, "internal"),
        (ValueError("x"), 1, "internal"),
        (RayTaskErrorAlike(DiskFull("x")), 75, "disk_full"),
        (DualTypedAlike(DiskFull("x")), 75, "disk_full"),
        (RayTaskErrorAlike(ValueError("x")), 1, "internal"),
        (caused_by(RuntimeError("x"), Conflict("y")), 6, "conflict"),
        (caused_by(CorruptArtifact("x"), MissingArtifact("y")), 5, "checksum"),
    ],
)
def test_codes_and_reasons(error, code, reason):
    assert (ending_of(error).code, ending_of(error).reason) == (code, reason)


def test_messages():
    assert ending_of(InvalidSpec("a", "b")).problems == ("a", "b")
    assert ending_of(SpaceMismatch("a\nb")).problems == ("a", "b")
    assert ending_of(DualTypedAlike(DiskFull("no room"))).problems == ("no room",)
    assert ending_of(KeyError("k")).problems == ("internal failure: KeyError: 'k'; --debug shows where",)


def test_sigterm_unwinds_the_block_and_is_given_back():
    before, unwound = signal.getsignal(signal.SIGTERM), []

    def stopped() -> None:
        with sigterm_raises():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                unwound.append(True)

    with pytest.raises(Terminated):
        stopped()
    assert unwound
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_traceback_shows_where_and_is_printable():
    def fail() -> None:
        raise ValueError("\x1b[31m")

    try:
        fail()
    except ValueError as error:
        lines = list(traceback_lines(error))
    assert lines[-1] == "ValueError: \\x1b[31m"
    assert any("in fail" in line for line in lines)

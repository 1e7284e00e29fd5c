"""From whatever stopped a command to its exit code, reason and message."""

import signal
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from jobs.printable import printable
from jobs.report import Ending
from revsearch.errors import CorruptArtifact, InvalidSpec, RevsearchError, cause_of

INTERNAL = 1
STOPPED_BY = 128  # plus the number of the signal, as shells count


class Terminated(BaseException):
    """SIGTERM came; no Exception, so that nothing on the way takes it for a failure it can handle."""


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Let SIGTERM unwind the block by `Terminated`, so that its `finally` parts run. For the main thread only."""

    def stop(*_: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def ending_of(error: BaseException) -> Ending:
    """Return the exit code, reason and message of what was raised."""
    # Python's, around what a signal's handler raised while Ray's compiled code ran.
    if isinstance(error, SystemError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, KeyboardInterrupt):
        return Ending(STOPPED_BY + signal.SIGINT, "interrupted", ("stopped by SIGINT; run the same command to go on",))
    # Once connected, Ray turns SIGTERM into SystemExit(15).
    if isinstance(error, Terminated) or (isinstance(error, SystemExit) and error.code == signal.SIGTERM):
        return Ending(STOPPED_BY + signal.SIGTERM, "terminated", ("stopped by SIGTERM; run the same command to go on",))
    if (own := cause_of(error, RevsearchError)) is not None:
        problems = own.problems if isinstance(own, InvalidSpec) else tuple(str(own).split("\n"))
        return Ending(own.exit_code, own.reason, problems)
    said = f"internal failure: {type(error).__name__}: {error}; --debug shows where"
    return Ending(INTERNAL, "internal", (said,))


def traceback_lines(error: BaseException) -> Iterator[str]:
    """Yield the traceback of an error, ready to be shown."""
    for block in traceback.format_exception(error):
        yield from map(printable, block.rstrip("\n").split("\n"))


def all_corrupt(errors: Sequence[CorruptArtifact]) -> CorruptArtifact | None:
    """Return one error that names everything that was found corrupt, or None where nothing was."""
    return CorruptArtifact("\n".join(map(str, errors)), reason=errors[0].reason) if errors else None

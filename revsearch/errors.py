"""The error tree: two words, permanent and transient, decide all retrying.

    RevsearchError
    ├── PermanentError         the same call fails again
    │   ├── InvalidSpec        exit 2   usage, configuration, nothing found
    │   ├── MissingArtifact    exit 2   no such id or ref
    │   ├── CorruptArtifact    exit 5   bytes are not what their card says
    │   ├── SpaceMismatch      exit 5   vectors that may not be compared
    │   ├── IncompleteEmbeddings  exit 5  parts without a card, rows without an outcome
    │   ├── TrainingCollapsed  exit 4   embeddings became one, the loss does not move
    │   ├── TrainingDiverged   exit 5   a loss that is no number
    │   └── Conflict           exit 6   somebody else committed something else
    └── TransientError         exit 75  the same call may succeed later
        ├── StoreUnavailable
        ├── ClusterUnavailable
        └── DiskFull

A bad image is not here: it is a row with a reason (`revsearch.rejects`).
"""

from typing import TypeVar


class RevsearchError(Exception):
    """Root of all errors raised on purpose.

    The message says what was expected, what was found, where, and what to do next.
    """

    exit_code = 1
    reason = "internal"


class PermanentError(RevsearchError):
    """Trying the same again gives the same."""


class InvalidSpec(PermanentError):
    """What was asked for cannot be done; `problems` holds every reason found, one a line."""

    exit_code = 2
    reason = "usage"

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class MissingArtifact(PermanentError):
    """No artifact or ref of that name is in the store."""

    exit_code = 2
    reason = "missing_artifact"


class CorruptArtifact(PermanentError):
    """The bytes found are not the bytes committed, or not of the form promised."""

    exit_code = 5
    reason = "checksum"

    def __init__(self, message: str, *, reason: str = "checksum") -> None:
        super().__init__(message)
        self.reason = reason


class SpaceMismatch(PermanentError):
    """Vectors of two embedding spaces, or of two dimensions, were to be compared."""

    exit_code = 5
    reason = "space_mismatch"


class IncompleteEmbeddings(PermanentError):
    """Parts are there, but not every row is embedded or rejected, or there is no card yet."""

    exit_code = 5
    reason = "unfinished"


class TrainingCollapsed(PermanentError):
    """A training run that learns nothing; its last checkpoint is kept, there is no artifact.

    Reasons: `collapsed` (embeddings became one), `frozen_loss`, `no_active_triplets`.
    """

    exit_code = 4
    reason = "collapsed"

    def __init__(self, message: str, *, reason: str = "collapsed") -> None:
        super().__init__(message)
        self.reason = reason


class TrainingDiverged(PermanentError):
    """A loss or gradient that is no number; its last checkpoint is kept, there is no artifact."""

    exit_code = 5
    reason = "non_finite_loss"


class Conflict(PermanentError):
    """A compare-and-swap was lost, or a commit found another result under its name."""

    exit_code = 6
    reason = "conflict"


class TransientError(RevsearchError):
    """Trying the same later may succeed."""

    exit_code = 75
    reason = "try_again"


class StoreUnavailable(TransientError):
    """The store does not answer."""

    reason = "store_unavailable"


class DiskFull(TransientError):
    """No room left where the store writes."""

    reason = "disk_full"


class ClusterUnavailable(TransientError):
    """The cluster that a job was sent to does not answer any more, or lost the job."""

    reason = "cluster_unavailable"


_Kind = TypeVar("_Kind", bound=Exception)


def cause_of(error: BaseException | None, *kinds: type[_Kind]) -> _Kind | None:
    """Return the outermost error of some kinds among those that others were raised around, None where there is none.

    Ray keeps a task's error as `cause`, beside Python's own chain. What it raises is of a class made of both, which
    says the worker's traceback for a message and has lost what our error knows.
    """
    seen = set[int]()  # what is raised from what it was found in is a circle
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        cause = getattr(error, "cause", None)
        if isinstance(cause, BaseException):
            error = cause
        elif isinstance(error, kinds):
            return error
        else:
            error = error.__cause__
    return None

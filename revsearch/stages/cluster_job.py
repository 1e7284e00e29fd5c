"""A job of a cluster: as it is sent, and as the cluster knows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_ENDED = frozenset({"STOPPED", "SUCCEEDED", "FAILED"})


@dataclass(frozen=True, slots=True)
class ClusterJob:
    """A job, as its cluster knows it.

    Attributes:
        id: the one it was submitted under, else Ray's own.
        submitted: whether it came through the job server, which then has its log.
        status: PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED.
        submitted_at: seconds since the epoch; Ray, which calls this the start, does not say when the job found room. Of
            one that was not submitted, when it started.
        exit_code: of its process; None where that did not end by itself.
        error: Ray's word for what went wrong, empty where it says none.
    """

    id: str
    submitted: bool
    status: str
    entrypoint: str
    submitted_at: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    error: str = ""
    message: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it runs no more, nor will."""
        return self.status in _ENDED


@dataclass(frozen=True, slots=True)
class Submission:
    """A job to be: what is run, where, and with what.

    Attributes:
        runtime_env: Ray's own form; local folders in it are uploaded.
        num_cpus: what the entry point itself reserves; with nothing reserved it runs on the head.
        memory: bytes, likewise.
    """

    id: str
    entrypoint: str
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    num_cpus: float = 0
    num_gpus: float = 0
    memory: int = 0

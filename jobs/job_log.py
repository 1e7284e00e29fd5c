"""What the log of a job tells: how far it is, and how it ended. Ray writes stdout and stderr into one file."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from jobs.console import is_progress

_LAST_LINE = re.compile(r"revsearch: exit=(\d+) reason=(\S+)(?: artifact=(\S+))?")
_ID = re.compile(r"[a-z]+/[0-9a-f]{12}")
_REPORT = frozenset({"command", "artifact", "exit_code"})


@dataclass(frozen=True)
class JobLog:
    """A job's log, read.

    Attributes:
        lines: of people's interest: without the report.
        progress: the latest line of progress, empty where there is none.
        report: the object of `--json`; empty where none was written.
        reason: why it ended with another code than 0, empty where it does not say.
        artifact: what it made, or failed about; empty where it does not say.
    """

    lines: tuple[str, ...] = ()
    progress: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    artifact: str = ""

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a log, or as much of it as there is."""
        lines = text.splitlines()
        reports = [report for line in lines if (report := report_of(line)) is not None]
        report = reports[-1] if reports else {}
        last = _latest(_LAST_LINE, lines)
        id = _latest(_ID, lines)
        return cls(
            lines=tuple(line for line in lines if report_of(line) is None),
            progress=next(filter(is_progress, reversed(lines)), ""),
            report=report,
            reason=last[2] if last else "",
            artifact=report.get("artifact") or (last and last[3]) or (id[0] if id else ""),
        )


def report_of(line: str) -> Mapping[str, Any] | None:
    """Return the object of `--json` that a line is, or None where it is another."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.keys() >= _REPORT else None


def is_last_line(line: str) -> bool:
    """Say whether a line is the one that stderr ends with where the exit code is not 0."""
    return _LAST_LINE.fullmatch(line) is not None


def _latest(form: re.Pattern[str], lines: Sequence[str]) -> re.Match[str] | None:
    """Return the last line that has a form."""
    return next((found for line in reversed(lines) if (found := form.fullmatch(line))), None)

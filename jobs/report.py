"""What is told of a command's end: the verdict, the one JSON object, the lines for people."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jobs.command import Outcome
from jobs.printable import printable
from revsearch.specs import Plan

if TYPE_CHECKING:
    from revsearch.storage.artifact import Artifact

TOO_MANY_REJECTS = 3
MIB = 2**20
# What people ask for first; the page and `--json` have every figure.
KEY_FIGURES = (
    "hit_rate_at_1",
    "hit_rate_at_1_of_start",
    "hit_rate_at_5",
    "hit_rate_at_10",
    "precision_at_10",
    "ap_plain",
    "ap_plain_of_start",
    "ns4_self_in",
)


@dataclass(frozen=True)
class Ending:
    """How a command ended.

    Attributes:
        code: exit code; 0 where all went well.
        reason: one word for scripts, where the code is not 0.
        problems: what to tell people, a line each.
        artifact: the artifact that the reason is about, if any.
    """

    code: int = 0
    reason: str = ""
    problems: tuple[str, ...] = ()
    artifact: str = ""

    @property
    def last_line(self) -> str:
        """What stderr ends with where the code is not 0."""
        about = f" artifact={self.artifact}" if self.artifact else ""
        return f"revsearch: exit={self.code} reason={self.reason}{about}"


def verdict(outcome: Outcome, max_reject_rate: float) -> Ending:
    """Hold every committed card against today's limit: the work is done, but its result may not be good enough."""
    for artifact in committed(outcome):
        counts = artifact.card.counts
        if counts.reject_rate > max_reject_rate:
            problem = (
                f"{artifact}: expected at most {max_reject_rate:.2%} of the rows rejected (--max-reject-rate), "
                f"found {counts.reject_rate:.2%} of {counts.n_in}: {_by_reason(counts.rejected)}"
            )
            return Ending(TOO_MANY_REJECTS, "too_many_rejects", (problem,), str(artifact))
    return Ending()


def committed(outcome: Outcome) -> "list[Artifact]":
    """Return every artifact of an outcome, each once, in the order made."""
    made = [*outcome.artifacts, *([outcome.artifact] if outcome.artifact else [])]
    return list({str(artifact): artifact for artifact in made}.values())


def result_line(outcome: Outcome) -> str | None:
    """Return what stdout ends with: the artifact's id, or the path written."""
    made = artifact_id(outcome) or outcome.path or outcome.told.get("paths", {}).get("result")
    return None if made is None else str(made)


def artifact_id(outcome: Outcome) -> str | None:
    """Return the id of what was made, here or by a job elsewhere; None where that is no artifact."""
    if outcome.artifact is not None:
        return str(outcome.artifact)
    told: str | None = outcome.told.get("artifact")
    return told


def as_json(
    command: str, outcome: Outcome, ending: Ending, run: Mapping[str, Any], plan: Plan | None = None
) -> dict[str, Any]:
    """Return the object of `--json`."""
    artifact = outcome.artifact
    told: dict[str, Any] = {
        **outcome.related,
        "artifact": None if artifact is None else str(artifact),
        "kind": None if artifact is None else artifact.kind,
        "counts": _counts(outcome),
        "metrics": dict(outcome.metrics),
        "paths": _paths(outcome),
        "seconds": dict(artifact.card.seconds) if artifact else {},
    }
    told |= {**outcome.told, "command": command, "exit_code": ending.code, "run": dict(run)}
    if outcome.lines:
        told["lines"] = list(outcome.lines)
    if plan is not None:
        told["plan"] = asdict(plan)
    if ending.code:
        told.setdefault("error", {"reason": ending.reason, "message": "\n".join(map(printable, ending.problems))})
    return told


def summary(outcome: Outcome) -> Iterator[str]:
    """Yield lines for people: what went in and came out, the figures, where to look."""
    made = committed(outcome)
    if made and not any(artifact.fresh for artifact in made):
        yield "nothing to do: all of it was there already"
    for artifact in made:
        counts = artifact.card.counts
        ignored = f", {counts.n_ignored} ignored" if counts.n_ignored else ""
        yield f"{artifact}: {counts.n_in} in, {counts.n_ok} ok, {_by_reason(counts.rejected)}{ignored}"
    yield from _figures(outcome.metrics)
    for name, path in outcome.paths.items():
        yield f"{name}: {path}"


def _figures(metrics: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    shown = [name for name in KEY_FIGURES if name in metrics]
    for name in shown:
        metric = metrics[name]
        interval = "" if metric["low"] is None else f" ({metric['low']:.4f} to {metric['high']:.4f})"
        yield f"{name}: {metric['value']:.4f}{interval}"
    if n_more := len(metrics) - len(shown):
        yield f"{n_more} more figures: on the report page, and with --json"


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield what `--dry-run` shows."""
    yield f"rows: {_known(plan.rows)}"
    yield f"parts: {_known(plan.parts)}"
    yield f"bytes: {_known(plan.bytes)}" + ("" if plan.bytes is None else f" ({plan.bytes / MIB:.1f} MiB)")
    if plan.resources is not None:
        yield "resources: " + ", ".join(f"{name} {value}" for name, value in asdict(plan.resources).items())
    if plan.note:
        yield f"note: {plan.note}"


def _known(number: int | None) -> str:
    return "not known beforehand" if number is None else str(number)


def _by_reason(rejected: Mapping[str, int]) -> str:
    reasons = ", ".join(f"{reason} {n}" for reason, n in rejected.items())
    return f"{sum(rejected.values())} rejected" + (f" ({reasons})" if reasons else "")


def _counts(outcome: Outcome) -> dict[str, Any]:
    counts = outcome.counts or (outcome.artifact.card.counts if outcome.artifact else None)
    if counts is None:
        return {"in": 0, "ok": 0, "rejected": {}, "ignored": 0}
    return {"in": counts.n_in, "ok": counts.n_ok, "rejected": dict(counts.rejected), "ignored": counts.n_ignored}


def _paths(outcome: Outcome) -> dict[str, str]:
    own = {} if outcome.path is None else {"result": str(outcome.path)}
    return {**own, **outcome.paths, **({"artifact": outcome.artifact.path} if outcome.artifact else {})}

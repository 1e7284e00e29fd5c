"""Counters in Ray's own metrics: what every worker and driver did, for a Prometheus that reads the cluster's nodes.

Counted once a unit of work, never once a row. Nothing is counted where Ray is not connected. Ray puts `ray_` before
names and `_total` behind counters: `ray_revsearch_rows_total{stage="embed"}`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, get_args

import ray
from ray.util.metrics import Counter, Gauge

Stage = Literal["manifest", "embed", "build-index", "rank", "evaluate", "train"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True, slots=True)
class Work:
    """What a unit of work came to.

    Attributes:
        rows: accounted for, whether ok or rejected, in this unit.
        rejects: rows rejected, by reason.
        n_bytes: of pictures that were read.
        seconds: by step.
        views: trained on.
    """

    rows: int = 0
    rejects: Mapping[str, int] = field(default_factory=dict)
    n_bytes: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    views: int = 0


def count(stage: Stage, work: Work) -> None:
    """Add a unit of work to what this process counted of a stage."""
    if not ray.is_initialized():
        return
    _add(_rows(), work.rows, stage=stage)
    _add(_bytes(), work.n_bytes, stage=stage)
    _add(_views(), work.views, stage=stage)
    for reason, n in work.rejects.items():
        _add(_rejects(), n, stage=stage, reason=str(reason))
    for step, seconds in work.seconds.items():
        _add(_seconds(), seconds, stage=stage, step=step)


def show_loss(loss: float) -> None:
    """Show the loss that training has come to."""
    if ray.is_initialized():
        _loss().set(loss, tags={"stage": "train"})


def _add(counter: Counter, value: float, **tags: str) -> None:
    if value > 0:  # Ray refuses others
        counter.inc(value, tags=tags)


@cache
def _rows() -> Counter:
    return Counter("revsearch_rows", "Rows accounted for, rejected ones among them.", ("stage",))


@cache
def _rejects() -> Counter:
    return Counter("revsearch_rejects", "Rows rejected.", ("stage", "reason"))


@cache
def _bytes() -> Counter:
    return Counter("revsearch_read_bytes", "Bytes of pictures that were read.", ("stage",))


@cache
def _seconds() -> Counter:
    return Counter("revsearch_step_seconds", "Seconds that workers and drivers spent on a step.", ("stage", "step"))


@cache
def _views() -> Counter:
    return Counter("revsearch_views", "Views trained on.", ("stage",))


@cache
def _loss() -> Gauge:
    return Gauge("revsearch_loss", "Loss of training, the mean of its last epoch.", ("stage",))

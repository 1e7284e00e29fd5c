"""What a report page shows, as plain values: the caller gathers them, `revsearch.render.page` draws them.

Every part may be left out. Without labels there are no metrics, no classes and no curve; the page then shows sample
queries, the scores there are, seconds, rejects and provenance.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from revsearch.errors import InvalidSpec
from revsearch.timeline import Timeline

Verdict = Literal["relevant", "wrong", "junk", "unknown"]


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of a contact sheet.

    Attributes:
        id: the image's id; shown as text whatever is in it.
        score: higher is better; None for a query.
        thumbnail: a JPEG; None where there is none to show.
        verdict: what a neighbour is to its query; `unknown` where there is no truth.
        n_same: how many further images have the same bytes.
    """

    id: str
    label: str | None = None
    score: float | None = None
    thumbnail: bytes | None = None
    verdict: Verdict = "unknown"
    n_same: int = 0

    @property
    def caption(self) -> str:
        """The label, or else the name of the file."""
        return self.label or self.id.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A query and its neighbours, best first; `note` is a short remark such as `ap 0.12`."""

    query: Tile
    neighbours: tuple[Tile, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """How many images went in and what became of them: `n_in == n_ok + n_rejected`.

    Attributes:
        roles: images a role (gallery, query, distractor).
        notes: further sentences, such as how many queries have a twin in the gallery.
    """

    n_in: int
    n_ok: int
    n_rejected: int
    roles: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.n_in != self.n_ok + self.n_rejected:
            raise InvalidSpec(f"report: {self.n_in} images in, but {self.n_ok} ok and {self.n_rejected} rejected")


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure: its 95 % interval (None where it was not computed), queries averaged, and what it means.

    `source` is `served` (from the rankings) or `exact` (from the whole gallery); `best` is the highest value there
    can be (4 for `ns4_self_in`).
    """

    name: str
    value: float
    low: float | None
    high: float | None
    n: int
    source: str
    convention: str
    best: float = 1.0


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A class's queries and their figures, in the order of the table's columns; None where there is none."""

    label: str
    n_queries: int
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class ClassTable:
    """Figures by class, all between 0 and 1. The page shows the worst of the first column first."""

    columns: tuple[str, ...]
    rows: tuple[ClassRow, ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.values) != len(self.columns):
                raise InvalidSpec(f"report: class {row.label!r} has {len(row.values)} values, not {len(self.columns)}")


@dataclass(frozen=True, slots=True)
class HitCurve:
    """Share of queries with at least one relevant image among the first k, for each of `ks`, ascending."""

    ks: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.ks or len(self.values) != len(self.ks):
            raise InvalidSpec(f"report: hit curve has {len(self.ks)} ks and {len(self.values)} values")


@dataclass(frozen=True, slots=True)
class ScoreHistogram:
    """Neighbours counted by score.

    Attributes:
        edges: `[bins + 1]`, ascending.
        others: `[bins]`, neighbours that are no match, or all of them where there is no truth.
        matches: `[bins]`, relevant neighbours; None where there is no truth.
    """

    edges: tuple[float, ...]
    others: tuple[int, ...]
    matches: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        for counts in (self.others, self.others if self.matches is None else self.matches):
            if not counts or len(self.edges) != len(counts) + 1:
                raise InvalidSpec(f"report: histogram has {len(counts)} counts between {len(self.edges)} edges")


@dataclass(frozen=True, slots=True)
class RejectRow:
    """A reason, how many images were rejected for it, and some of them as (id, message)."""

    reason: str
    count: int
    examples: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StageTimeline:
    """What the workers of a stage did when."""

    name: str
    timeline: Timeline


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one page shows.

    Attributes:
        metrics: most important first; the first four head the page.
        sheets: a sample of queries; `sheets_note` says how they were drawn.
        worst: the queries that went worst, worst first.
        seconds: stage -> step -> seconds.
        timelines: of the stages that kept one.
        provenance: heading (artifacts, encoder, parameters, versions) -> name -> value.
    """

    title: str
    subtitle: str
    summary: Summary
    metrics: tuple[Metric, ...] = ()
    classes: ClassTable | None = None
    sheets: tuple[Sheet, ...] = ()
    sheets_note: str = ""
    worst: tuple[Sheet, ...] = ()
    hit_curve: HitCurve | None = None
    histogram: ScoreHistogram | None = None
    seconds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    timelines: tuple[StageTimeline, ...] = ()
    rejects: tuple[RejectRow, ...] = ()
    provenance: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

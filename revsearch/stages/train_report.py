"""What a training run leaves behind to be read: the facts of its card, and its page."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from revsearch.evaluation import MetricValue
from revsearch.rejects import Reject
from revsearch.render.report import Metric, StageTimeline, Summary, Tile
from revsearch.render.training_report import BeforeAfter, TrainingReport
from revsearch.space import EmbeddingSpace
from revsearch.stages.reject_rows import reject_rows
from revsearch.stages.thumbnails import thumbnails
from revsearch.stages.train_work import Shown, TrainOutcome
from revsearch.storage.artifact import Draft
from revsearch.storage.card import library_versions
from revsearch.storage.manifests import StoredManifest
from revsearch.timeline import Timeline
from revsearch.training_set import TrainingSet

_CONVENTIONS = {
    "hit_rate_at_1": "share of validation images whose nearest other one is of their class",
    "ap_plain": "average precision over all other validation images; its mean is mAP",
}
_START = "_of_start"  # ends the name of a start's figure


@dataclass(frozen=True)
class Told:
    """All there is to tell of a finished run."""

    manifest: StoredManifest
    draft: Draft
    rows: TrainingSet
    outcome: TrainOutcome
    rejects: list[Reject]
    space: EmbeddingSpace
    timeline: Timeline

    def facts(self) -> dict[str, object]:
        """Return what the card keeps: what the next stage needs, and what the run came to."""
        history, rows = self.outcome.history, self.rows
        return {
            "space": self.space.to_dict(),
            "space_fingerprint": self.space.fingerprint,
            "preset": self.draft.spec["preset"],
            "training_manifest": str(self.manifest.artifact),
            "roles": self.roles,
            "n_trained": len(rows.rows),
            "n_validation": len(rows.validation_rows),
            "n_left_out": len(rows.left_out),
            "n_classes": rows.n_classes,
            "epochs": len(history.epochs),
            "steps": history.epochs[-1].step if history.epochs else 0,
            "n_substituted": sum(record.n_substituted for record in history.epochs),
            "validation": dict(history.best.metrics),
            "validation_of_start": dict(history.start.metrics),
            "best_epoch": history.best.epoch,
            "best_share": history.best.share,
            "metrics": {name: asdict(value) for name, value in self.metrics().items()},
        }

    def metrics(self) -> dict[str, MetricValue]:
        """Return the figures of what is handed out on the validation rows, and beside them the start's."""
        start = {f"{name}{_START}": value for name, value in self.outcome.before.items()}
        return {**self.outcome.after, **start}

    @property
    def roles(self) -> list[str]:
        """Roles of the rows that were trained on."""
        ids = np.concatenate([self.rows.rows[:1], self.rows.validation_rows[:1]])
        return sorted(set(self.manifest.take(np.unique(ids)).roles))


def build_training_report(told: Told) -> TrainingReport:
    """Gather the page of a training run."""
    outcome, rows = told.outcome, told.rows
    n_in = len(rows.rows) + len(rows.validation_rows) + len(rows.left_out)
    reconstructions = outcome.pictures.get("reconstructions")
    return TrainingReport(
        title="Training report",
        subtitle=f"{told.draft.spec['preset']} · encoder/{told.draft.id}",
        summary=Summary(
            n_in + len(told.rejects),
            n_in,
            len(told.rejects),
            {"trained on": len(rows.rows), "validation": len(rows.validation_rows), "left out": len(rows.left_out)},
        ),
        history=outcome.history,
        metrics=tuple(_metrics(outcome.after)),
        triplets=tuple(outcome.triplets),
        triplets_note="drawn from the first epoch, as the network saw them",
        neighbours=tuple(_neighbours(told)),
        neighbours_note=f"validation images drawn with seed {told.draft.spec['seed']}, ranked all against all",
        reconstructions=told.draft.store.read(f"{told.draft.prefix}/{reconstructions.name}")
        if reconstructions
        else None,
        reconstructions_note="validation images above, what the network rebuilds of them below",
        seconds={"train": told.timeline.seconds()},
        timelines=(StageTimeline("train", told.timeline),),
        rejects=reject_rows(told.rejects),
        provenance=_provenance(told),
    )


def _metrics(values: Mapping[str, MetricValue]) -> Iterator[Metric]:
    for name, value in values.items():
        yield Metric(name, value.value, value.low, value.high, value.n, value.source, _CONVENTIONS[name])


def _neighbours(told: Told) -> Iterator[BeforeAfter]:
    shown = told.outcome.shown
    wanted = {row for each in shown for row in (each.row, *(row for row, _ in (*each.before, *each.after)))}
    rows = np.array(sorted(wanted), np.int64)
    pictures = dict(zip(rows.tolist(), thumbnails(told.manifest, rows), strict=True))
    for each in shown:
        id, label, picture = pictures[each.row]
        before, after = (tuple(_tiles(each, found, pictures)) for found in (each.before, each.after))
        yield BeforeAfter(Tile(id, label, None, picture), before, after)


def _tiles(
    shown: Shown, found: list[tuple[int, float]], pictures: Mapping[int, tuple[str, str | None, bytes | None]]
) -> Iterator[Tile]:
    for row, score in found:
        id, label, picture = pictures[row]
        verdict = "unknown" if not shown.relevant else "relevant" if row in shown.relevant else "wrong"
        yield Tile(id, label, score, picture, verdict)  # type: ignore[arg-type]  # mypy makes a str of the two words


def _provenance(told: Told) -> dict[str, dict[str, str]]:
    space = told.space
    return {
        "training": {name: str(value) for name, value in told.draft.spec.items() if value not in (None, (), [])},
        "encoder": {
            "architecture": space.encoder,
            "weights": space.weights,
            "pooling": space.pooling,
            "dim": str(space.dim),
            "preprocess": f"{space.preprocess.fit} {space.preprocess.size} px, {space.preprocess.interpolation}",
        },
        "versions": library_versions(),
    }

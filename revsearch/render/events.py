"""A training run as TensorBoard reads it: one event file."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event  # type: ignore[attr-defined]  # protobuf makes the class at run time
from tensorboardX.record_writer import RecordWriter
from tensorboardX.summary import scalar

from revsearch.training import EpochRecord, History, Validation

_NAME = "events.out.tfevents.0.revsearch"  # TensorBoard looks for `tfevents` in the name
_Scalar = tuple[str, float]


def write_events(history: History, folder: Path) -> Path:
    """Write the scalars of every step and every epoch to a file in `folder`, and return its path.

    Times are seconds trained so far, not those of the clock, and the file's name holds no host: equal histories give
    equal bytes, which tensorboardX's `SummaryWriter` would not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _NAME
    with closing(RecordWriter(str(path))) as writer:  # type: ignore[no-untyped-call]  # tensorboardX has no types
        for event in _events(history):
            writer.write(event.SerializeToString())  # type: ignore[no-untyped-call]  # the same
    return path


def _events(history: History) -> Iterator[Event]:
    yield Event(wall_time=0.0, file_version="brain.Event:2")
    for seconds, step, name, value in _scalars(history):
        summary = scalar(name, value)  # type: ignore[no-untyped-call]  # the same
        yield Event(wall_time=seconds, step=step, summary=summary)


def _scalars(history: History) -> Iterator[tuple[float, int, str, float]]:
    """Yield time, step, name and value, in the order of steps."""
    shares = sorted({candidate.share for candidate in history.candidates[1:]})
    for share in shares:
        yield from ((0.0, 0, *found) for found in _validation_scalars(history.start, share))
    seconds, done = 0.0, 0
    for record in history.epochs:
        losses = history.losses[done : record.step]
        for number, loss in enumerate(losses, 1):
            yield seconds + record.seconds * number / len(losses), done + number, "step/loss", loss
        seconds, done = seconds + record.seconds, record.step
        yield from ((seconds, done, *found) for found in _epoch_scalars(record))


def _epoch_scalars(record: EpochRecord) -> Iterator[_Scalar]:
    yield from (
        ("epoch/loss", record.loss),
        ("epoch/lr", record.lr),
        ("epoch/gradient_norm", record.gradient_norm),
        ("epoch/images_per_second", record.n_images / record.seconds if record.seconds > 0 else 0.0),
        ("epoch/n_substituted", record.n_substituted),
    )
    yield from ((f"parts/{name}", value) for name, value in record.parts.items())
    yield from ((f"health/{name}", value) for name, value in asdict(record.health).items() if value is not None)
    for candidate in record.validations:
        yield from _validation_scalars(candidate, candidate.share)


def _validation_scalars(candidate: Validation, share: float) -> Iterator[_Scalar]:
    return ((f"validation/{name}/share_{share:g}", value) for name, value in candidate.metrics.items())

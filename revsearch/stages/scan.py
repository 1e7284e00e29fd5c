"""Every row looked at once before it is trained on: read, checked, decoded, and hashed for near copies."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import ray
from numpy.typing import NDArray

from revsearch.overlap import Hashes
from revsearch.rejects import Reason, Reject, count_reasons
from revsearch.specs import Resources
from revsearch.stages import cluster, meters
from revsearch.stages.isolation import isolate
from revsearch.stages.meters import Work
from revsearch.stages.progress import Progress, Stopwatch
from revsearch.stages.row_reader import RowReader
from revsearch.stages.scanner import Scanner
from revsearch.storage.artifact import Draft, fetch
from revsearch.storage.card import Part
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.scan_table import ScannedRows, concatenate_scans, decode_scan, encode_scan
from revsearch.storage.store import Store
from revsearch.timeline import Span

_MAX_UNIT_ROWS, _MIN_UNIT_ROWS = 1_024, 32
_UNITS_PER_CPU = 8  # at least: no worker ends long before the others, and a killed driver loses little
# They tell of a file in its place, not of the picture: a run that is started again looks again.
_OF_THE_PLACE = frozenset({Reason.PERMISSION, Reason.MISSING, Reason.STORE_ERROR})


@dataclass(frozen=True)
class Scan:
    """What looking at rows gave: each is among `rows` or among `rejects`.

    Attributes:
        rows: int64 `[n]` ascending, manifest rows that can be read.
        hashes: uint64 `[n]`, their difference hashes.
        rejects: of all other rows, in manifest order.
        spans: the units of work it took; none where an earlier run had looked at all rows.
    """

    rows: NDArray[np.int64]
    hashes: Hashes
    rejects: list[Reject]
    spans: tuple[Span, ...] = ()


def scan(store: Store, manifest: StoredManifest, rows: NDArray[np.int64], resources: Resources, draft: Draft) -> Scan:
    """Look at rows `[n]`, ascending, of a manifest; Ray must be connected.

    What was found is kept as parts of the draft, so that a run that is started again goes on from there.

    Raises:
        RevsearchError: an error of our own that a worker raised.
    """
    stem = f"scan-{manifest.artifact.id}"
    draft.discard_damaged(stem)
    found = [_kept(draft, part) for part in draft.found_parts(stem)]
    done = np.concatenate([np.empty(0, np.int64), *(each.rows for each in found)])
    spans: list[Span] = []
    if len(missing := np.setdiff1d(rows, done)):
        scanner = Scanner(store, str(manifest.artifact), RowReader.of(manifest), resources.image_timeout_s)
        seen, spans = _look(scanner, missing, draft, stem)
        found += seen
    return replace(_of_rows(concatenate_scans(found), rows), spans=tuple(spans))


def discard_scans(draft: Draft) -> None:
    """Remove what scans kept, of all manifests: for a run that is committed."""
    for part in draft.found_parts("scan"):
        draft.store.delete(f"{draft.prefix}/{part.name}")


@ray.remote(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")
def _scan(scanner: Scanner, rows: NDArray[np.int64]) -> tuple[ScannedRows, Span]:
    watch = Stopwatch()
    scanned = scanner(rows, watch)
    _count(scanned, watch)
    return scanned, watch.span()


def _count(scanned: ScannedRows, watch: Stopwatch) -> None:
    reasons = count_reasons(reject.reason for reject in scanned.rejects if reject is not None)
    meters.count("train", Work(len(scanned.rows), reasons, watch.n_bytes, watch.seconds))


def _look(scanner: Scanner, rows: NDArray[np.int64], draft: Draft, stem: str) -> tuple[list[ScannedRows], list[Span]]:
    """Look at rows `[m]` in Ray tasks, and keep what is found as it comes; return it, and the units of work."""
    progress, reference = Progress("scan", len(rows)), ray.put(scanner)
    found: list[ScannedRows] = []
    spans: list[Span] = []

    def keep(scanned: ScannedRows) -> None:
        found.append(scanned)
        places = [place for place, reject in enumerate(scanned.rejects) if _is_final(reject)]
        if places:
            draft.put(stem, ".parquet", encode_scan(scanned.take(np.array(places))))
        progress.add(len(scanned.rows), sum(reject is not None for reject in scanned.rejects))

    def done(told: tuple[ScannedRows, Span]) -> None:
        keep(told[0])
        spans.append(told[1])

    def lost(row: NDArray[np.int64], reason: Reason, message: str) -> None:
        scanned = scanner.lost(row, reason, message)
        _count(scanned, Stopwatch())
        keep(scanned)

    isolate(
        lambda unit: _scan.remote(reference, unit),
        _units(rows),
        done=done,
        lost=lost,
        image_timeout_s=scanner.image_timeout_s,
    )
    return found, spans


def _units(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    size = min(_MAX_UNIT_ROWS, max(_MIN_UNIT_ROWS, len(rows) // (cluster.n_cpus() * _UNITS_PER_CPU)))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _is_final(reject: Reject | None) -> bool:
    return reject is None or reject.reason not in _OF_THE_PLACE


def _kept(draft: Draft, part: Part) -> ScannedRows:
    with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
        return decode_scan(fetch(draft.store, draft.prefix, part, Path(folder)))


def _of_rows(scanned: ScannedRows, rows: NDArray[np.int64]) -> Scan:
    wanted = scanned.take(np.flatnonzero(np.isin(scanned.rows, rows)))
    good = np.array([reject is None for reject in wanted.rejects], bool)
    rejects = [reject for reject in wanted.rejects if reject is not None]
    return Scan(wanted.rows[good], wanted.hashes[good], rejects)

"""Vectors that are there already: rows of equal content are embedded once, whichever run embedded them."""

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import ray
from numpy.typing import NDArray

from revsearch.errors import CorruptArtifact
from revsearch.manifest import content_keys
from revsearch.stages import cluster
from revsearch.stages.embed_work import EmbedWork
from revsearch.storage.artifact import Artifact, fetch, load
from revsearch.storage.card import Part
from revsearch.storage.catalog import list_artifacts
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.vectors import PartRows, encode_part, read_part, read_part_contents

_LOG = logging.getLogger(__name__)

Source = tuple[str, Part]  # artifact (committed or in the making) and its part


def own_sources(work: EmbedWork) -> list[Source]:
    """Return the parts of this job, whose vectors its twins may take."""
    return [(work.draft.prefix, part) for part in work.draft.found_parts("part")]


def find_sources(work: EmbedWork) -> Iterator[Source]:
    """Yield the parts whose vectors may be taken: of this job, and of committed Embeddings of the same kind."""
    yield from own_sources(work)
    for name in list_artifacts(work.store, "embeddings"):
        try:
            artifact = load(work.store, name)
        except CorruptArtifact as error:  # somebody else's: nothing is taken from it, and nothing is lost
            _LOG.warning("nothing is taken over from %s: %s", name, error)
            continue
        if _interchangeable(artifact, work):
            yield from ((name, part) for part in artifact.parts("part"))


def take_over(
    work: EmbedWork, sources: Iterable[Source], wanted: NDArray[np.int64], contents: NDArray[np.uint8]
) -> Iterator[NDArray[np.int64]]:
    """Commit, source by source, parts with the wanted rows `[m]` whose content `[m, 32]` is there; yield those rows.

    Sources are read side by side; a row that two of them hold is put twice, and counts once.

    Raises:
        RevsearchError: an error of our own that a worker raised.
    """
    if not len(wanted):
        return
    keys = content_keys(contents)
    order = np.argsort(keys)
    shared = ray.put((work, wanted[order], keys[order]))
    arguments = ((shared, source) for source in sources)
    for rows, problem in cluster.stream(_take_from.remote, arguments, ahead=2 * cluster.n_cpus()):
        if problem:
            _LOG.warning("nothing is taken over from a damaged part: %s", problem)
        yield rows


@ray.remote(num_cpus=1, max_retries=3, scheduling_strategy="SPREAD")
def _take_from(
    shared: tuple[EmbedWork, NDArray[np.int64], NDArray[np.void]], source: Source
) -> tuple[NDArray[np.int64], str]:
    """Put a part with the wanted rows `[m]`, sorted by key, that the source holds; return them, or what is wrong."""
    work, wanted, keys = shared
    prefix, part = source
    with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
        try:
            path = fetch(work.store, prefix, part, Path(folder))
        except CorruptArtifact as error:
            return wanted[:0], str(error)
        places, taken = _matches(path, keys)
        order = np.argsort(wanted[places])
        rows: NDArray[np.int64] = wanted[places][order]
        if len(rows):
            _put(work, read_part(path, work.space.dim), taken[order], rows)
    return rows, ""


def _matches(path: Path, keys: NDArray[np.void]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places among sorted keys `[m]` whose content a part has a vector of, and the part's row for each.

    A reject is never taken over: it tells of a file in its place as much as of a content.
    """
    found, reasons = read_part_contents(path)
    usable = np.flatnonzero([reason is None for reason in reasons])
    own, first = np.unique(content_keys(found[usable]), return_index=True)
    starts, stops = np.searchsorted(keys, own, "left"), np.searchsorted(keys, own, "right")
    counts = stops - starts
    places = np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    return places, np.repeat(usable[first], counts)


def _put(work: EmbedWork, found: PartRows, taken: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
    ids = StoredManifest(work.store, load(work.store, work.manifest)).take(rows).ids
    part = PartRows(
        rows=rows,
        ids=ids,
        contents=found.contents[taken],
        vectors=found.vectors[taken],
        rejects=[None] * len(rows),
        flags=[found.flags[place] for place in taken],
    )
    work.draft.put("part", ".parquet", encode_part(part, work.store_dtype))


def _interchangeable(artifact: Artifact, work: EmbedWork) -> bool:
    facts, space = artifact.card.facts, work.space.fingerprint
    theirs = (facts["space_fingerprint"], facts["precision"], facts["store_dtype"], facts["allow_truncated"])
    return theirs == (space, work.precision, work.store_dtype, work.allow_truncated)

"""Vectors that are there already: rows of equal content are embedded once, whichever run embedded them."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from revsearch.manifest import content_keys
from revsearch.stages.embedder import EmbedWork
from revsearch.storage.artifact import Artifact, load
from revsearch.storage.card import Part
from revsearch.storage.catalog import list_artifacts
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.vectors import PartRows, encode_part, read_part

Source = tuple[str, Part]  # artifact (committed or in the making) and its part


def sources(work: EmbedWork) -> list[Source]:
    """Return the parts whose vectors may be taken: of this job, and of committed Embeddings of the same kind."""
    own = [(work.draft.prefix, part) for part in work.draft.found_parts("part")]
    others = [
        (str(artifact), part)
        for name in list_artifacts(work.store, "embeddings")
        if (artifact := load(work.store, name)) and _interchangeable(artifact, work)
        for part in artifact.parts("part")
    ]
    return own + others


def take_over(
    work: EmbedWork, source: Source, wanted: NDArray[np.int64], wanted_contents: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Commit a part with the wanted rows `[m]` whose content `[m, 32]` the source holds; return those rows.

    A reject is taken over only within the job itself, where two rows are twins.
    """
    prefix, part = source
    with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
        path = work.store.download(f"{prefix}/{part.name}", Path(folder))
        found = read_part(path, work.space.dim)
    own = prefix == work.draft.prefix
    usable = np.flatnonzero([reject is None or (own and not reject.reason.transient) for reject in found.rejects])
    keys, first = np.unique(content_keys(found.contents[usable]), return_index=True)
    place = np.minimum(np.searchsorted(keys, content_keys(wanted_contents)), max(len(keys) - 1, 0))
    hit = keys[place] == content_keys(wanted_contents) if len(keys) else np.zeros(len(wanted), bool)
    rows: NDArray[np.int64] = wanted[hit]
    if len(rows):
        _put(work, found, usable[first[place[hit]]], rows)
    return rows


def _put(work: EmbedWork, found: PartRows, taken: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
    ids = StoredManifest(work.store, load(work.store, work.manifest)).take(rows).ids
    part = PartRows(
        rows=rows,
        ids=ids,
        contents=found.contents[taken],
        vectors=found.vectors[taken],
        rejects=[
            (reject := found.rejects[place]) and replace(reject, id=id) for place, id in zip(taken, ids, strict=True)
        ],
        flags=[found.flags[place] for place in taken],
    )
    work.draft.put("part", ".parquet", encode_part(part, work.store_dtype))


def _interchangeable(artifact: Artifact, work: EmbedWork) -> bool:
    facts, space = artifact.card.facts, work.space.fingerprint
    theirs = (facts["space_fingerprint"], facts["precision"], facts["store_dtype"], facts["allow_truncated"])
    return theirs == (space, work.precision, work.store_dtype, work.allow_truncated)

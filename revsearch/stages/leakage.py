"""Before a training: none of its images may be one that an evaluation will judge it by (`--never`)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.manifest import INDEXED_ROLES, Role
from revsearch.overlap import ImageSet, require_disjoint
from revsearch.specs import Resources
from revsearch.stages.lineage import image_set, images_seen
from revsearch.stages.scan import Scan, scan
from revsearch.storage.artifact import Draft, load
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.store import Store

_JUDGED: tuple[Role, ...] = ("query", *INDEXED_ROLES)
_FIX = "leave those images out of the training rows, or evaluate on others"
_FIX_START = "start from an encoder that has not seen them, or evaluate on others"


def require_other_bytes(
    store: Store, manifest: StoredManifest, rows: NDArray[np.int64], never: Sequence[str], start: str | None = None
) -> None:
    """Refuse what can be refused without opening a picture: equal bytes.

    Args:
        store: of all artifacts.
        manifest: of the images that are to be trained on.
        rows: those images, int64 `[n]`.
        never: ids of the manifests that evaluations are made on.
        start: id of the trained encoder it starts from, whose images count as its own.

    Raises:
        InvalidSpec: naming how many images are in both, the first five and what to do, for all manifests at once.
    """
    if not never:
        return
    images = [(_training_set(manifest, rows), _FIX)]
    if start is not None:
        images += [(seen, _FIX_START) for seen in images_seen(store, load(store, start))]
    problems = [
        problem
        for judged, judged_rows in _judged(store, never)
        for seen, fix in images
        for problem in _problems(seen, image_set(judged, judged_rows, _name(judged)), fix)
    ]
    if problems:
        raise InvalidSpec(*problems)


def require_unseen(
    store: Store, manifest: StoredManifest, scanned: Scan, never: Sequence[str], resources: Resources, draft: Draft
) -> list[Scan]:
    """Refuse images that are, or are near copies of, those of evaluations; return the scans that it took.

    Args:
        store: of all artifacts.
        manifest: of the images that are to be trained on.
        scanned: what looking at them gave.
        never: ids of the manifests that evaluations are made on.
        resources: for their scans.
        draft: keeps their scans.

    Raises:
        InvalidSpec: as `require_other_bytes`.
    """
    training = replace(_training_set(manifest, scanned.rows), hashes=scanned.hashes)
    problems: list[str] = []
    scans: list[Scan] = []
    for judged, rows in _judged(store, never):
        scans.append(found := scan(store, judged, rows, resources, draft))
        problems += _problems(
            training, replace(image_set(judged, found.rows, _name(judged)), hashes=found.hashes), _FIX
        )
    if problems:
        raise InvalidSpec(*problems)
    return scans


def _judged(store: Store, never: Sequence[str]) -> Iterator[tuple[StoredManifest, NDArray[np.int64]]]:
    for name in never:
        manifest = StoredManifest(store, load(store, name))
        rows = manifest.rows_of_roles(*_JUDGED)
        if not len(rows):
            raise InvalidSpec(f"--never {name}: expected rows of role {', '.join(_JUDGED)}, found none")
        yield manifest, rows


def _problems(seen: ImageSet, judged: ImageSet, fix: str) -> Sequence[str]:
    try:
        require_disjoint(seen, judged, asked="--never", fix=fix)
    except InvalidSpec as error:
        return error.problems
    return ()


def _training_set(manifest: StoredManifest, rows: NDArray[np.int64]) -> ImageSet:
    return image_set(manifest, rows, f"images of {manifest.artifact} to train on")


def _name(manifest: StoredManifest) -> str:
    return f"images of {manifest.artifact} to evaluate on"

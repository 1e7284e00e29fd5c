"""Checkpoints of a training run, as parts of its unfinished artifact: the one place it is resumed from.

A worker that Ray Train starts again and a command that is given again both look here, and only here.
"""

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from revsearch.errors import CorruptArtifact
from revsearch.storage.artifact import Draft, fetch

_STEM = "checkpoint"
_KEPT = 2  # of which one may turn out damaged

_LOG = logging.getLogger(__name__)

Saved = tuple[dict[str, Any], dict[str, Any]]  # tensors, and plain values


def keep(draft: Draft, epoch: int, tensors: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Store the checkpoint of an epoch; older ones go, but for one."""
    from revsearch.model.checkpoint import save_checkpoint

    with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
        path = Path(folder) / "checkpoint.safetensors"
        save_checkpoint(path, tensors, values)
        draft.put_file(f"{_STEM}-{epoch:06d}", ".safetensors", path)
    for part in draft.found_parts(_STEM)[:-_KEPT]:
        draft.store.delete(f"{draft.prefix}/{part.name}")


def last_epoch(draft: Draft) -> int:
    """Return the last epoch of which there is a checkpoint, whole or not; 0 before the first."""
    return max((int(part.name.split("-")[1]) for part in draft.found_parts(_STEM)), default=0)


def latest(draft: Draft) -> Saved | None:
    """Return the latest checkpoint that is whole, or None; damaged ones are passed over."""
    from revsearch.model.checkpoint import load_checkpoint

    for part in reversed(draft.found_parts(_STEM)):
        with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
            try:
                return load_checkpoint(fetch(draft.store, draft.prefix, part, Path(folder)))
            except CorruptArtifact as error:
                _LOG.warning("%s; going on from the one before", error)
    return None


def discard(draft: Draft) -> None:
    """Remove all checkpoints of a run that is committed."""
    for part in draft.found_parts(_STEM):
        draft.store.delete(f"{draft.prefix}/{part.name}")

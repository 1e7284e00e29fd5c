"""Artifacts and all they stand on, from one store to another: there they can be worked on as they were here."""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from revsearch.errors import MissingArtifact
from revsearch.space import EmbeddingSpace
from revsearch.specs import Plan
from revsearch.stages import kept_weights
from revsearch.stages.lineage import all_inputs, trained_on
from revsearch.stages.progress import Progress
from revsearch.storage.artifact import Artifact
from revsearch.storage.copying import Shipment
from revsearch.storage.manifests import StoredManifest, note_roots
from revsearch.storage.s3.address import is_s3
from revsearch.storage.store import Store
from revsearch.storage.vectors import StoredEmbeddings

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Copying:
    """Artifacts on their way to another store.

    Attributes:
        artifacts: what was asked for and all it stands on, inputs before what stands on them.
        shipment: what of it is not there yet.
        spaces: embedding spaces whose weights go along, as far as they are files that the source keeps.
    """

    artifacts: tuple[Artifact, ...]
    shipment: Shipment
    spaces: tuple[EmbeddingSpace, ...]

    @classmethod
    def of(cls, asked: Sequence[Artifact], source: Store, target: Store) -> Self:
        """Return what has to be done; nothing is written.

        Raises:
            MissingArtifact: where something they stand on is no longer there.
            Conflict: where the target has another result under one of their ids.
        """
        artifacts = tuple(all_inputs(source, asked))
        shipment = Shipment.of(artifacts, source, target)
        spaces = {
            space: None
            for artifact in shipment.artifacts
            if artifact.kind == "embeddings"
            for space in [StoredEmbeddings(source, artifact).space]
            if space.weights.startswith(kept_weights.SHA256)
            and trained_on(source, space) is None  # else they are a part of that encoder
            and kept_weights.find(space, target) is None
        }
        return cls(artifacts, shipment, tuple(spaces))

    @property
    def plan(self) -> Plan:
        """What it would read and write."""
        kept = [kept_weights.find(space, self.shipment.source) for space in self.spaces]
        return Plan(
            rows=sum(artifact.card.counts.n_in for artifact in self.shipment.artifacts),
            parts=len(self.shipment.parts) + len(kept),
            bytes=self.shipment.n_bytes + sum(info.size for info in kept if info is not None),
            note=f"{len(self.shipment.artifacts)} of {len(self.artifacts)} artifacts are not there yet",
        )

    def run(self) -> None:
        """Copy weights and parts, then commit all artifacts; then say where the images of the manifests lie.

        Raises:
            CorruptArtifact: where bytes are not what a card says: nothing is committed then.
            Conflict: where somebody else committed another result under one of the ids meanwhile.
        """
        for space in self.spaces:
            with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
                path = kept_weights.fetch(space, self.shipment.source, Path(folder))
                if path is not None:
                    kept_weights.keep(space, path, self.shipment.target)
        if self.shipment.parts:
            progress = Progress("copy", len(self.shipment.parts), unit="parts")
            for _ in self.shipment.send_parts():
                progress.add(1)
        self.shipment.commit()
        for artifact in self.artifacts:
            if artifact.kind == "manifest":
                _copy_roots(artifact, self.shipment.source, self.shipment.target)


def _copy_roots(artifact: Artifact, source: Store, target: Store) -> None:
    """Note in the target where the images of a manifest lie, unless it knows, or they lie where it cannot see them."""
    ours, theirs = StoredManifest(source, artifact), StoredManifest(target, artifact)
    if not _has_roots(ours) or _has_roots(theirs):
        return
    local = [root for root in ours.roots.values() if not is_s3(root)]
    if local and is_s3(target.uri):
        _LOG.warning(
            "%s: its images lie in %s, a folder of this machine; to read them elsewhere, copy them to a bucket and run "
            "`manifest s3://… --store %s` on the copy",
            artifact,
            ", ".join(local),
            target.uri,
        )
        return
    note_roots(target, artifact.id, ours.roots, follow_symlinks=ours.follow_symlinks)


def _has_roots(manifest: StoredManifest) -> bool:
    try:
        return bool(manifest.roots)
    except MissingArtifact:
        return False

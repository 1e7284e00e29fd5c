"""Artifacts and all they stand on, from one store to another: there they can be worked on as they were here."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
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
from revsearch.storage.store import KeyInfo, Store
from revsearch.storage.threads import in_threads
from revsearch.storage.vectors import StoredEmbeddings

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Copying:
    """Artifacts on their way to another store.

    Attributes:
        artifacts: what was asked for and all it stands on, inputs before what stands on them.
        shipment: what of it is not there yet.
        weights: the keys of the weights that go along, by embedding space: those that the source keeps as files.
        placeless: manifests of which the target is to be told where their images lie.
    """

    artifacts: tuple[Artifact, ...]
    shipment: Shipment
    weights: Mapping[EmbeddingSpace, KeyInfo]
    placeless: tuple[Artifact, ...]

    @classmethod
    def of(cls, asked: Sequence[Artifact], source: Store, target: Store) -> Self:
        """Return what has to be done; nothing is written. Warnings tell what will not be there afterwards.

        Raises:
            MissingArtifact: where something they stand on is no longer there.
            Conflict: where the target has another result under one of their ids.
        """
        artifacts = tuple(all_inputs(source, asked))
        shipment = Shipment.of(artifacts, source, target)
        placeless = (each for each in artifacts if each.kind == "manifest" and _is_to_be_placed(each, source, target))
        return cls(artifacts, shipment, _weights_to_send(shipment), tuple(placeless))

    @property
    def writes(self) -> bool:
        """Whether anything has to be written."""
        return bool(self.shipment.artifacts or self.weights or self.placeless)

    @property
    def plan(self) -> Plan:
        """What it would read and write."""
        return Plan(
            rows=sum(artifact.card.counts.n_in for artifact in self.shipment.artifacts),
            parts=len(self.shipment.parts) + len(self.weights),
            bytes=self.shipment.n_bytes + sum(info.size for info in self.weights.values()),
            note=f"{len(self.shipment.artifacts)} of {len(self.artifacts)} artifacts are not there yet",
        )

    def run(self) -> None:
        """Copy weights and parts, then commit all artifacts; then say where the images of the manifests lie.

        Raises:
            CorruptArtifact: where bytes are not what a card says: nothing is committed then.
            Conflict: where somebody else committed another result under one of the ids meanwhile.
        """
        for _ in in_threads(1, self._send_weights, self.weights):  # not in this one: a signal is not to wait for them
            pass
        if n_parts := len(self.shipment.found) + len(self.shipment.parts):
            progress = Progress("copy", n_parts, unit="parts")
            for _ in self.shipment.send_parts():
                progress.add(1)
        self.shipment.commit()
        for manifest in self.placeless:
            _copy_roots(manifest, self.shipment.source, self.shipment.target)

    def _send_weights(self, space: EmbeddingSpace) -> None:
        with tempfile.TemporaryDirectory(prefix="revsearch-", ignore_cleanup_errors=True) as folder:
            path = kept_weights.fetch(space, self.shipment.source, Path(folder))
            if path is not None:
                kept_weights.keep(space, path, self.shipment.target)


def _weights_to_send(shipment: Shipment) -> dict[EmbeddingSpace, KeyInfo]:
    """Return what the source keeps of the weights of embeddings; a warning tells what it should, and does not."""
    embeddings = [artifact for artifact in shipment.artifacts if artifact.kind == "embeddings"]
    found = {}
    for space in dict.fromkeys(StoredEmbeddings(shipment.source, artifact).space for artifact in embeddings):
        if (
            not space.weights.startswith(kept_weights.SHA256)
            or trained_on(shipment.source, space) is not None  # they are a part of that encoder
            or kept_weights.find(space, shipment.target) is not None
        ):
            continue
        if (info := kept_weights.find(space, shipment.source)) is None:
            _LOG.warning(
                "%s does not have the weights of %s (%s), and they do not go along: in %s the vectors made with them "
                "can be searched, but no picture can be embedded as those were",
                shipment.source.uri,
                space.encoder,
                space.weights,
                shipment.target.uri,
            )
        else:
            found[space] = info
    return found


def _is_to_be_placed(artifact: Artifact, source: Store, target: Store) -> bool:
    """Say whether the target is to note where the images of a manifest lie: it does not know, and can see them."""
    ours = StoredManifest(source, artifact)
    if not _has_roots(ours) or _has_roots(StoredManifest(target, artifact)):
        return False
    local = [root for root in ours.roots.values() if not is_s3(root)]
    if local and is_s3(target.uri):
        _LOG.warning(
            "%s: its images lie in %s, a folder of this machine; to read them elsewhere, copy them to a bucket and run "
            "`manifest s3://… --store %s` on the copy",
            artifact,
            ", ".join(local),
            target.uri,
        )
        return False
    return True


def _copy_roots(artifact: Artifact, source: Store, target: Store) -> None:
    ours = StoredManifest(source, artifact)
    if not _has_roots(StoredManifest(target, artifact)):  # unless somebody noted them meanwhile
        note_roots(target, artifact.id, ours.roots, follow_symlinks=ours.follow_symlinks)


def _has_roots(manifest: StoredManifest) -> bool:
    try:
        return bool(manifest.roots)
    except MissingArtifact:
        return False

"""What artifacts stand on; where weights come from: the trainings that gave them, and the images those saw."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import CorruptArtifact
from revsearch.overlap import ImageSet
from revsearch.space import EmbeddingSpace
from revsearch.stages.kept_weights import SHA256, trained_parts
from revsearch.storage.artifact import Artifact, find, load
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.store import Store
from revsearch.storage.vectors import StoredEmbeddings


def all_inputs(store: Store, artifacts: Iterable[Artifact]) -> list[Artifact]:
    """Return artifacts and all they stand on, each once, inputs before what stands on them.

    Beside the inputs that cards name, those are the encoders that embeddings were made with, where they were trained
    here.

    Raises:
        MissingArtifact: where one of them is no longer there.
    """
    found: dict[str, Artifact] = {}
    for artifact in artifacts:
        _add_with_inputs(store, artifact, found)
    return list(found.values())


def trained_on(store: Store, space: EmbeddingSpace) -> Artifact | None:
    """Return the encoder whose training gave the weights of a space; None where they were not trained here.

    Where several trainings gave the very same weights (none got better than one start), it is the first by id.
    """
    if not space.weights.startswith(SHA256):
        return None
    for part in trained_parts(space.weights.removeprefix(SHA256), store):
        _, id, _ = part.split("/")
        if (encoder := find(store, "encoder", id)) is not None:
            return encoder
    return None


def images_seen(store: Store, encoder: Artifact) -> Iterator[ImageSet]:
    """Yield the images an encoder was trained and validated on, then those of the encoder it started from, and so on.

    Raises:
        MissingArtifact: where one of these encoders, or the manifest of its images, is no longer there.
        CorruptArtifact: where a card does not say which images they are.
    """
    start: str | None = str(encoder)
    while start is not None:
        encoder = load(store, start)
        yield _own_images(store, encoder)
        start = encoder.card.inputs.get("encoder")


def image_set(manifest: StoredManifest, rows: NDArray[np.int64], name: str) -> ImageSet:
    """Return rows `[n]` of a manifest by their bytes."""
    return ImageSet(name, manifest.strings("id")[rows], manifest.contents()[rows])


def _add_with_inputs(store: Store, artifact: Artifact, found: dict[str, Artifact]) -> None:
    if str(artifact) in found:
        return
    for name in _input_names(artifact):
        _add_with_inputs(store, load(store, name), found)
    if artifact.kind == "embeddings":
        encoder = trained_on(store, StoredEmbeddings(store, artifact).space)
        if encoder is not None:
            _add_with_inputs(store, encoder, found)
    found[str(artifact)] = artifact


def _input_names(artifact: Artifact) -> Iterator[str]:
    for value in artifact.card.inputs.values():
        yield from [value] if isinstance(value, str) else value


def _own_images(store: Store, encoder: Artifact) -> ImageSet:
    facts = encoder.card.facts
    try:
        manifest, roles = StoredManifest(store, load(store, facts["training_manifest"])), facts["roles"]
    except KeyError as error:
        raise CorruptArtifact(f"{encoder}: its card does not say {error}; train it again", reason="card") from error
    return image_set(manifest, manifest.rows_of_roles(*roles), f"images {encoder} was trained on")

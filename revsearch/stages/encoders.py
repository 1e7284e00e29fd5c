"""From an encoder's name to its space, and from a space to an encoder that runs: where model and storage meet.

torch is imported late: a handcrafted encoder needs none, and a worker sets its allocator up first.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from revsearch.descriptors import color_histogram
from revsearch.embeddings import Vectors
from revsearch.errors import CorruptArtifact, InvalidSpec
from revsearch.fingerprint import file_sha256
from revsearch.model.allocator import keep_freed_memory
from revsearch.space import EmbeddingSpace
from revsearch.specs import EmbedSpec, Precision
from revsearch.storage.catalog import resolve
from revsearch.storage.store import Store

_SHA256 = "sha256:"


class Encoder(Protocol):
    """Pictures to vectors."""

    def __call__(self, pixels: NDArray[np.uint8]) -> Vectors:
        """Embed pictures `[b, size, size, 3]`, preprocessed to the encoder's input size, as float32 `[b, dim]`."""
        ...

    @property
    def halvings(self) -> int:
        """How often the batch was halved because the device's memory was full."""
        ...


@dataclass(frozen=True, slots=True)
class FoundEncoder:
    """What an encoder's name stands for: its space, and the weights file where it has one of its own."""

    space: EmbeddingSpace
    weights: Path | None = None


def find_encoder(spec: EmbedSpec, store: Store) -> FoundEncoder:
    """Return what an encoder's name stands for, writing nothing.

    Raises:
        InvalidSpec: for an unknown name, weights that are not to be had, or options that do not go together.
        CorruptArtifact: for a weights file that is not the one its name promises.
    """
    if spec.encoder == color_histogram.SPACE.encoder:
        return FoundEncoder(_handcrafted(spec))
    if spec.encoder.startswith(("index/", "embeddings/")):
        return FoundEncoder(_space_of(spec, store))
    keep_freed_memory()
    from revsearch.model.names import parse_encoder_name
    from revsearch.model.space import describe
    from revsearch.model.weights import find_weights

    name, path = parse_encoder_name(spec.encoder), None
    if name.weights.startswith("random-"):
        weights = name.weights
    else:
        folder = os.environ.get("REVSEARCH_WEIGHTS")
        path = find_weights(name, Path(folder) if folder else None)
        weights = _SHA256 + file_sha256(path)
    return FoundEncoder(describe(name, weights, pooling=spec.pooling, fit=spec.fit, image_size=spec.image_size), path)


def keep_weights(found: FoundEncoder, store: Store) -> None:
    """Keep an encoder's weights in the store by their SHA-256: workers and later searches take them from there."""
    if found.weights is None:
        return
    key = _weights_key(found.space.weights.removeprefix(_SHA256), found.weights.suffix)
    if next(iter(store.list(key)), None) is None:
        store.upload(key, found.weights)


def open_encoder(
    space: EmbeddingSpace,
    store: Store,
    *,
    precision: Precision = "fp32",
    device: str = "cpu",
    threads: int = 0,
    optimise: bool = True,
) -> Encoder:
    """Return the encoder of a space, its weights taken from the store and checked.

    To `optimise` costs a second or two, which a few pictures do not earn back; the vectors are the same.

    Raises:
        MissingArtifact: where the store does not have the weights.
        CorruptArtifact: where they are not what the space says, or do not fit the architecture.
    """
    if space.encoder == color_histogram.SPACE.encoder:
        return color_histogram.ColorHistogram(space)
    keep_freed_memory()
    from revsearch.model.encoder import TorchEncoder

    with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
        weights = _fetch_weights(space, store, Path(folder))
        return TorchEncoder(space, weights, precision=precision, device=device, threads=threads, optimise=optimise)


def _space_of(spec: EmbedSpec, store: Store) -> EmbeddingSpace:
    """Return the space of an index or of embeddings: their own encoder, whatever became of its file."""
    _refuse_choices(spec)
    artifact = resolve(store, spec.encoder)
    return EmbeddingSpace.from_dict(artifact.card.facts["space"])


def _handcrafted(spec: EmbedSpec) -> EmbeddingSpace:
    _refuse_choices(spec)
    if spec.precision != "fp32":
        raise InvalidSpec(f"--precision: {spec.encoder} is computed in fp32 only, found {spec.precision}")
    return color_histogram.SPACE


def _refuse_choices(spec: EmbedSpec) -> None:
    asked = {"--pooling": spec.pooling, "--fit": spec.fit, "--image-size": spec.image_size}
    if given := [flag for flag, value in asked.items() if value is not None]:
        raise InvalidSpec(f"{', '.join(given)}: {spec.encoder} has no such choice; leave it out")


def _fetch_weights(space: EmbeddingSpace, store: Store, folder: Path) -> Path | None:
    if not space.weights.startswith(_SHA256):
        return None
    sha256 = space.weights.removeprefix(_SHA256)
    found = next(iter(store.list(_weights_key(sha256, ""))), None)
    path = store.download(found.key if found else _weights_key(sha256, ".pth"), folder)
    if file_sha256(path) != sha256:
        raise CorruptArtifact(
            f"{path}: checksum of the weights of {space.encoder} is not {sha256[:12]}; remove it and embed again"
        )
    return path


def _weights_key(sha256: str, suffix: str) -> str:
    return f"weights/{sha256}{suffix}"

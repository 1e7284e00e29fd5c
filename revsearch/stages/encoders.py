"""From an encoder's name to its space, and from a space to an encoder that runs: where model and storage meet.

torch is imported late: a handcrafted encoder needs none, and a worker sets its allocator up first.
"""

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from revsearch.descriptors import color_histogram
from revsearch.embeddings import Vectors
from revsearch.errors import InvalidSpec
from revsearch.fingerprint import file_sha256
from revsearch.model.allocator import keep_freed_memory
from revsearch.space import EmbeddingSpace
from revsearch.specs import EmbedSpec, Precision
from revsearch.stages import kept_weights
from revsearch.stages.kept_weights import PART, SHA256
from revsearch.storage.catalog import resolve
from revsearch.storage.refs import read_ref, require_name
from revsearch.storage.store import Store

_BEGINNING = re.compile(r"[0-9a-f]{4,12}")  # of an id, its kind left out


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
    if (trained := _trained(spec.encoder, store)) is not None:
        _refuse_choices(spec)
        return FoundEncoder(trained)
    keep_freed_memory()
    from revsearch.model.names import parse_encoder_name
    from revsearch.model.space import describe
    from revsearch.stages.weights_file import weights_file

    name, path = parse_encoder_name(spec.encoder), None
    if name.weights.startswith("random-"):
        weights = name.weights
    else:
        path = weights_file(name)
        weights = SHA256 + file_sha256(path)
    return FoundEncoder(describe(name, weights, pooling=spec.pooling, fit=spec.fit, image_size=spec.image_size), path)


def keep_weights(found: FoundEncoder, store: Store) -> None:
    """Keep an encoder's weights in the store by their SHA-256: workers and later searches take them from there."""
    if found.weights is not None:
        kept_weights.keep(found.space, found.weights, store)


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
        weights = kept_weights.fetch(space, store, Path(folder))
        return TorchEncoder(space, weights, precision=precision, device=device, threads=threads, optimise=optimise)


def _trained(text: str, store: Store) -> EmbeddingSpace | None:
    """Return the space of a trained encoder: by its id, the beginning of one, or a ref; None where `text` is none."""
    if _is_ref_of_encoder(text, store):
        _require_no_model(text)
    elif not (text.startswith("encoder/") or _BEGINNING.fullmatch(text)):
        return None
    artifact = resolve(store, text, "encoder")
    space = EmbeddingSpace.from_dict(artifact.card.facts["space"])
    return replace(space, weights=SHA256 + artifact.part(PART).sha256)


def _is_ref_of_encoder(text: str, store: Store) -> bool:
    try:
        require_name(text)
    except InvalidSpec:  # a form that no ref has, such as MODEL:WEIGHTS
        return False
    return str((read_ref(store, text) or {}).get("artifact")).startswith("encoder/")


def _require_no_model(ref: str) -> None:
    from revsearch.model.names import zoo_names

    if ref in zoo_names():
        raise InvalidSpec(
            f"--encoder: {ref} is a ref of this store and a torchvision model; write {ref}:WEIGHTS, or encoder/ID"
        )


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

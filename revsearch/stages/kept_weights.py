"""Where the weights of an encoder lie in the store: by their SHA-256, or as a part of the encoder that was trained."""

from collections.abc import Iterator
from pathlib import Path

from revsearch.errors import CorruptArtifact
from revsearch.fingerprint import file_sha256
from revsearch.space import EmbeddingSpace
from revsearch.storage.store import KeyInfo, Store

SHA256 = "sha256:"  # begins a space's weights where they are a file
PART = "weights"  # stem of the part of a trained encoder that holds them


def keep(space: EmbeddingSpace, path: Path, store: Store) -> None:
    """Put the weights file of a space into the store, unless it is there."""
    if find(space, store) is None:
        store.upload(_weights_key(space.weights.removeprefix(SHA256), path.suffix), path)


def find(space: EmbeddingSpace, store: Store) -> KeyInfo | None:
    """Return the key that holds the weights of a space by themselves; None where none does."""
    return _find(space.weights.removeprefix(SHA256), store)


def fetch(space: EmbeddingSpace, store: Store, folder: Path) -> Path | None:
    """Return a local file with the weights of a space, checked: the store's own, or a copy in `folder`.

    None where there is no such file, because a seed stands for them.

    Raises:
        MissingArtifact: where the store does not have them.
        CorruptArtifact: where they are not what the space says.
    """
    if not space.weights.startswith(SHA256):
        return None
    sha256 = space.weights.removeprefix(SHA256)
    path = store.download(_weights_place(sha256, store), folder)
    if file_sha256(path) != sha256:
        raise CorruptArtifact(
            f"{path}: checksum of the weights of {space.encoder} is not {sha256[:12]}; remove it and run the command "
            "that put it there again"
        )
    return path


def trained_parts(sha256: str, store: Store) -> Iterator[str]:
    """Yield the keys of weights as parts of encoders that were trained, committed or not, in the order of their ids."""
    name = f"/{PART}-{sha256}.safetensors"
    return (info.key for info in store.list("encoder/") if info.key.endswith(name))


def _weights_place(sha256: str, store: Store) -> str:
    """Return the key of weights: kept by themselves, or a part of an encoder that was trained."""
    kept = _find(sha256, store)
    if kept is not None:
        return kept.key
    return next(trained_parts(sha256, store), _weights_key(sha256, ".pth"))


def _find(sha256: str, store: Store) -> KeyInfo | None:
    return next(iter(store.list(_weights_key(sha256, ""))), None)


def _weights_key(sha256: str, suffix: str) -> str:
    return f"weights/{sha256}{suffix}"

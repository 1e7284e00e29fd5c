"""Weights files: where one is found, whether it is the one meant, and what is in it.

A state dict is data. Files that could carry code are refused before any of it runs.
"""

import zipfile
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from revsearch.errors import CorruptArtifact, InvalidSpec
from revsearch.fingerprint import file_sha256
from revsearch.model.download import download, hash_in_name
from revsearch.model.names import EncoderName
from revsearch.model.zoo import weights_url


def find_weights(name: EncoderName, folder: Path | None) -> Path:
    """Return the file of an encoder's weights: its FILE, or torchvision's from `folder`, torch's cache or the network.

    What is downloaded goes into torch's cache. torchvision's files are checked against the hash in their name.

    Args:
        name: of learned weights; random ones have no file.
        folder: where to look first, usually `REVSEARCH_WEIGHTS`.

    Raises:
        InvalidSpec: where there is no such file, and none can be downloaded.
        CorruptArtifact: where torchvision's file is not what its name says.
        DiskFull: where the download does not fit.
    """
    if name.file is not None:
        return _named_file(name.file)
    url = weights_url(name.architecture, name.weights)
    candidates = [place / Path(url).name for place in (folder, cache_folder()) if place is not None]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        return _downloaded(url, candidates)
    require_hash(found)
    return found


def cache_folder() -> Path:
    """Return the folder that torch keeps downloaded weights in."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def file_name(name: EncoderName) -> str:
    """Return what torchvision calls the file of an encoder's weights."""
    return Path(weights_url(name.architecture, name.weights)).name


def load_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict from `.safetensors`, or from the `.pth` or `.pt` that `torch.save` writes; no code in it runs.

    Raises:
        CorruptArtifact: reason `weights`, where the file is no state dict or holds anything but tensors.
    """
    try:
        state = _read_state(path)
    except Exception as error:  # bytes of any kind make torch's unpickler raise errors of any kind
        raise _no_state_dict(
            path, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        ) from error
    if not isinstance(state, dict) or not state:
        raise _no_state_dict(path, f"an object of type {type(state).__name__}, or nothing")
    if others := [key for key, value in state.items() if not (isinstance(key, str) and isinstance(value, Tensor))]:
        raise _no_state_dict(path, f"entries that are no tensors: {', '.join(map(repr, others[:5]))}")
    return state


def _read_state(path: Path) -> object:
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    # Files of torch before 1.6 are no zip archives and cannot be mapped.
    return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


def _no_state_dict(path: Path, found: str) -> CorruptArtifact:
    return CorruptArtifact(
        f"{path}: expected weights, a state dict of tensors alone (torch.save of model.state_dict(), or safetensors); "
        f"found {found}. Nothing in the file was run. Save the state dict anew",
        reason="weights",
    )


def _named_file(file: str) -> Path:
    path = Path(file).expanduser()
    if not path.is_file():
        raise InvalidSpec(f"--encoder: expected a weights file after the @, found none at {path.absolute()}")
    return path


def require_hash(path: Path, place: str | None = None) -> None:
    """Refuse a file of torchvision's that is not what its name says; `place` is where it came from.

    Raises:
        CorruptArtifact: reason `checksum`.
    """
    expected = hash_in_name(path.name)
    if not (found := file_sha256(path)).startswith(expected):
        raise CorruptArtifact(
            f"{place or path}: checksum of torchvision's weights: expected {expected}…, found {found[:12]}…; "
            "delete the file and copy or download it again"
        )


def _downloaded(url: str, candidates: list[Path]) -> Path:
    path = candidates[-1]
    try:
        download(url, path)
    except ConnectionError as error:
        places = ", ".join(str(candidate.parent) for candidate in candidates)
        raise InvalidSpec(
            f"--encoder: the weights file {path.name} is in none of: {places}; and it could not be downloaded: "
            f"{error}. Copy {path.name} into {path.parent}, set REVSEARCH_WEIGHTS to a folder that holds it, "
            "or use --encoder color-histogram, which needs no weights"
        ) from error
    return path

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from revsearch.errors import CorruptArtifact, InvalidSpec
from revsearch.model import weights
from revsearch.model.names import EncoderName
from revsearch.model.weights import find_weights, load_state

NAME = EncoderName("resnet50", "IMAGENET1K_V2")
CONTENT = b"as good as weights"
FILE = f"resnet50-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's cache, and torchvision's URL of a file that is not there."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(weights, "weights_url", lambda architecture, name: (tmp_path / "web" / FILE).as_uri())
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_a_file_of_its_own_comes_first(tmp_path: Path) -> None:
    mine = tmp_path / "mine.pth"
    mine.write_bytes(b"mine")
    assert find_weights(EncoderName("resnet50", "IMAGENET1K_V2", str(mine)), None) == mine
    with pytest.raises(InvalidSpec, match=rf"found none at {tmp_path}/other.pth"):
        find_weights(EncoderName("resnet50", "IMAGENET1K_V2", str(tmp_path / "other.pth")), None)


def test_then_the_folder_then_the_cache_then_the_network(cache: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / FILE).write_bytes(CONTENT)
    assert find_weights(NAME, folder) == cache / FILE  # downloaded
    assert (cache / FILE).read_bytes() == CONTENT
    (tmp_path / "web" / FILE).unlink()
    assert find_weights(NAME, folder) == find_weights(NAME, None) == cache / FILE  # cached
    (folder / FILE).write_bytes(CONTENT)
    assert find_weights(NAME, folder) == folder / FILE


@pytest.mark.parametrize("place", ["cache", "folder"])
def test_a_file_that_is_not_torchvisions_is_corrupt(cache: Path, folder: Path, place: str) -> None:
    ({"cache": cache, "folder": folder}[place] / FILE).write_bytes(b"flipped")
    with pytest.raises(CorruptArtifact, match="checksum of torchvision's weights: expected") as caught:
        find_weights(NAME, folder)
    assert caught.value.reason == "checksum"


def test_offline_says_what_to_do(cache: Path, folder: Path) -> None:
    with pytest.raises(InvalidSpec) as caught:
        find_weights(NAME, folder)
    for part in (FILE, str(folder), str(cache), "REVSEARCH_WEIGHTS", "--encoder color-histogram"):
        assert part in str(caught.value)


STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.zeros(2)}


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors", "old.pth"])
def test_reads_state_dicts(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=suffix != "old.pth")
    state = load_state(path)
    assert state.keys() == STATE.keys()
    torch.testing.assert_close(state["a.weight"], STATE["a.weight"])


class Code:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("how", ["pickle", "torch.save", "old torch.save", "hidden in a state dict", "as .safetensors"])
def test_code_in_a_file_does_not_run(tmp_path: Path, how: str) -> None:
    path, mark = tmp_path / "weights.pth", tmp_path / "it-ran"
    if how == "pickle":
        path.write_bytes(pickle.dumps(Code(mark)))
    elif how == "as .safetensors":
        path = path.with_suffix(".safetensors")
        path.write_bytes(pickle.dumps(Code(mark)))
    else:
        content = {**STATE, "x": Code(mark)} if how == "hidden in a state dict" else Code(mark)
        torch.save(content, path, _use_new_zipfile_serialization=how != "old torch.save")
    with pytest.raises(CorruptArtifact, match="Nothing in the file was run") as caught:
        load_state(path)
    assert caught.value.reason == "weights"
    assert not mark.exists()


def object_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.array([{}, None], object))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("<html>404</html>"),
        lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
        lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)),
        object_array,
        lambda path: torch.save(torch.nn.Linear(2, 2), path),
        lambda path: torch.save({"epoch": 3, "state_dict": STATE}, path),
        lambda path: torch.save([torch.zeros(2)], path),
        lambda path: torch.save({}, path),
        lambda path: torch.save({1: torch.zeros(2)}, path),
    ],
    ids=["empty", "text", "random", "broken zip", "object array", "module", "checkpoint", "list", "nothing", "numbers"],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_what_is_no_state_dict_is_corrupt(tmp_path: Path, write, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    write(path)
    with pytest.raises(CorruptArtifact, match="expected weights, a state dict of tensors alone") as caught:
        load_state(path)
    assert caught.value.reason == "weights"


def test_a_file_cut_short_is_corrupt(tmp_path: Path) -> None:
    for suffix, save in ((".pth", torch.save), (".safetensors", safetensors.torch.save_file)):
        path = tmp_path / f"weights{suffix}"
        save({"a": torch.zeros(1000)}, path)
        whole = path.read_bytes()
        for share in (0.1, 0.5, 0.9):
            path.write_bytes(whole[: int(len(whole) * share)])
            with pytest.raises(CorruptArtifact):
                load_state(path)

from pathlib import Path

import pytest
import torch

from revsearch.errors import CorruptArtifact
from revsearch.model.checkpoint import load_checkpoint, save_checkpoint


def test_tensors_and_values_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    tensors = {"a/b": torch.randn(3, 4), "step": torch.tensor(7), "rng": torch.get_rng_state()}
    transposed = torch.arange(6.0).view(2, 3).T  # not contiguous, which safetensors itself refuses
    save_checkpoint(path, tensors | {"turned": transposed}, {"epoch": 3, "losses": [0.5, 0.25], "name": "ä"})
    found, values = load_checkpoint(path)
    assert values == {"epoch": 3, "losses": [0.5, 0.25], "name": "ä"}
    assert all(torch.equal(found[name], value) for name, value in tensors.items())
    assert torch.equal(found["turned"], transposed)


@pytest.mark.parametrize("cut", [0, 7, 40, -1])
def test_a_file_cut_short_is_no_checkpoint(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"a": torch.zeros(10)}, {})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CorruptArtifact, match="expected a checkpoint") as error:
        load_checkpoint(path)
    assert error.value.reason == "checkpoint"


def test_weights_without_values_are_no_checkpoint(tmp_path: Path) -> None:
    import safetensors.torch

    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(CorruptArtifact, match="expected a checkpoint"):
        load_checkpoint(path)

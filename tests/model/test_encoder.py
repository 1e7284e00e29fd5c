import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, Resize

from revsearch.errors import CorruptArtifact, SpaceMismatch
from revsearch.fingerprint import file_sha256
from revsearch.model.encoder import TorchEncoder
from revsearch.model.families import build_empty
from revsearch.model.names import parse_encoder_name, zoo_names
from revsearch.model.space import describe
from revsearch.space import EmbeddingSpace

SMALL = 30_000_000  # parameters


@pytest.fixture
def encoder(small_space: EmbeddingSpace) -> TorchEncoder:
    return TorchEncoder(small_space, None)


def test_gives_one_vector_a_picture_the_same_in_any_batch(encoder: TorchEncoder, pixels: NDArray[np.uint8]) -> None:
    vectors = encoder(pixels)
    assert vectors.dtype == np.float32
    assert vectors.shape == (5, 512)
    np.testing.assert_allclose(np.concatenate([encoder(row[None]) for row in pixels]), vectors, rtol=1e-4, atol=1e-5)
    assert encoder(pixels[:0]).shape == (0, 512)


def test_takes_read_only_and_strided_arrays(encoder: TorchEncoder, pixels: NDArray[np.uint8]) -> None:
    expected = encoder(pixels[:, ::-1].copy())
    pixels.flags.writeable = False
    np.testing.assert_array_equal(encoder(pixels[:, ::-1]), expected)


@pytest.mark.parametrize("wrong", [np.zeros((1, 32, 32, 3), np.uint8), np.zeros((1, 64, 64, 3), np.float32)])
def test_refuses_other_pictures(encoder: TorchEncoder, wrong: np.ndarray) -> None:
    with pytest.raises(SpaceMismatch, match=r"squeezenet1_1: expected pictures uint8 \[b, 64, 64, 3\], found"):
        encoder(wrong)


def test_refuses_weights_of_another_architecture(small_space: EmbeddingSpace, tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "weights.pth")
    with pytest.raises(CorruptArtifact, match="expected a state dict of torchvision's squeezenet1_1"):
        TorchEncoder(small_space, tmp_path / "weights.pth")


class FullAbove(torch.nn.Module):
    """A network on a device that holds `limit` pictures."""

    def __init__(self, network: torch.nn.Module, limit: int) -> None:
        super().__init__()
        self.network, self.limit, self.batches = network, limit, list[int]()

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(batch))
        if len(batch) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.network(batch)


def test_halves_batches_that_do_not_fit(encoder: TorchEncoder, pixels: NDArray[np.uint8]) -> None:
    expected = encoder(pixels)
    encoder._network = full = FullAbove(encoder._network, 1)
    np.testing.assert_allclose(encoder(pixels), expected, rtol=1e-4, atol=1e-5)
    assert full.batches == [5, 2, 1, 1, 1, 1, 1]
    assert encoder.halvings == 2
    encoder(pixels[:3])
    assert full.batches[7:] == [1, 1, 1]  # the lesson is kept
    assert encoder.halvings == 2


def test_gives_up_where_one_picture_does_not_fit(encoder: TorchEncoder, pixels: NDArray[np.uint8]) -> None:
    encoder._network = FullAbove(encoder._network, 0)
    with pytest.raises(torch.OutOfMemoryError):
        encoder(pixels)


def test_threads_are_set_and_left(small_space: EmbeddingSpace) -> None:
    before = torch.get_num_threads()
    try:
        TorchEncoder(small_space, None, threads=1)
        assert torch.get_num_threads() == 1
        TorchEncoder(small_space, None)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_fp32_means_fp32(encoder: TorchEncoder) -> None:
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.slow
@pytest.mark.parametrize("architecture", zoo_names())
def test_every_smaller_model_embeds(architecture: str) -> None:
    name = parse_encoder_name(f"{architecture}:random-0")
    space = describe(name, name.weights, pooling=None, fit=None, image_size=None)
    size = space.preprocess.size
    if sum(value.numel() for value in build_empty(architecture, size).parameters()) > SMALL:
        pytest.skip("over 30 M parameters")
    pictures = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    encoder = TorchEncoder(space, None)
    vectors = encoder(pictures)
    assert vectors.shape == (3, space.dim)
    assert np.isfinite(vectors).all()
    assert np.linalg.norm(vectors, axis=1).min() > 0
    one = encoder(pictures[:1])
    np.testing.assert_allclose(one, vectors[:1], rtol=0, atol=1e-5 * np.abs(vectors).max())


def real_encoder(model: str, data: Path, precision: str = "fp32") -> TorchEncoder:
    path = data / "weights" / f"{model}_imagenet.pth"
    name = parse_encoder_name(f"{model}:IMAGENET1K_V1@{path}")
    space = describe(name, f"sha256:{file_sha256(path)}", pooling=None, fit=None, image_size=None)
    return TorchEncoder(space, path, precision=precision)


def photos(folder: Path, step: int = 1) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    crop = Compose([Resize(256), CenterCrop(224)])
    paths = sorted(folder.rglob("*.jpg"))[::step]
    pictures = np.stack([np.asarray(crop(Image.open(path).convert("RGB"))) for path in paths])
    return pictures, np.array([path.parent.name for path in paths])


def unit_vectors(encoder: TorchEncoder, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    vectors = np.concatenate([encoder(pictures[start:][:32]) for start in range(0, len(pictures), 32)])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.data
@pytest.mark.slow
def test_real_weights_give_the_reference_figures(shared_data: Path) -> None:
    reference = json.loads((shared_data / "reference.json").read_text())["results"]["squeezenet1_1_imagenet.pth"]
    encoder = real_encoder("squeezenet1_1", shared_data)
    queries, labels = photos(shared_data / "images" / "products" / "query")
    gallery, gallery_labels = photos(shared_data / "images" / "products" / "gallery")
    order = np.argsort(-(unit_vectors(encoder, queries) @ unit_vectors(encoder, gallery).T), axis=1, kind="stable")
    hits = gallery_labels[order] == labels[:, None]
    precisions = hits.cumsum(axis=1) / np.arange(1, len(gallery) + 1)
    expected = reference["products"]["gallery_only"]
    assert hits[:, 0].mean() == pytest.approx(expected["top1"], abs=0.005)
    assert ((precisions * hits).sum(axis=1) / hits.sum(axis=1)).mean() == pytest.approx(expected["mAP"], abs=0.005)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(("precision", "step"), [("bf16", 4), ("fp16", 80)])  # fp16 is emulated on most CPUs
@pytest.mark.parametrize("model", ["mobilenet_v2", "squeezenet1_1"])
def test_sixteen_bits_give_nearly_the_same_vectors(shared_data: Path, model: str, precision: str, step: int) -> None:
    pictures, _ = photos(shared_data / "images" / "animals" / "query", step)
    exact = unit_vectors(real_encoder(model, shared_data), pictures)
    found = unit_vectors(real_encoder(model, shared_data, precision), pictures)
    assert (exact * found).sum(axis=1).min() >= 0.999

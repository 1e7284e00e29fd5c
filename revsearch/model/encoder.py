"""A neural encoder at work: batches of pixels to vectors, on a CPU or a GPU."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from revsearch.errors import SpaceMismatch
from revsearch.model.network import build_network
from revsearch.model.precision import compute_fp32_in_full
from revsearch.space import EmbeddingSpace
from revsearch.specs import Precision


class TorchEncoder:
    """The encoder of a space.

    Attributes:
        space: what its vectors may be compared with.
    """

    def __init__(
        self,
        space: EmbeddingSpace,
        weights: Path | None,
        *,
        precision: Precision = "fp32",
        device: str = "cpu",
        threads: int = 0,
        optimise: bool = True,
    ) -> None:
        """Build the network and load its weights.

        Args:
            space: architecture, preprocessing and pooling.
            weights: its state dict; None for the random weights that the space names by their seed.
            precision: arithmetic of the network; vectors are float32 in any case.
            device: torch's name of it: `cpu`, `cuda`, `cuda:1`.
            threads: how many this process computes with; 0 leaves torch's own number.
            optimise: spend a second or two on a network that runs faster; its vectors are the same.

        Raises:
            CorruptArtifact: reason `weights`, where the file is no state dict of this architecture.
        """
        if threads:
            torch.set_num_threads(threads)
        compute_fp32_in_full()
        self.space = space
        self._device = torch.device(device)
        self._batch_limit: int | None = None
        self._halvings = 0
        self._network = build_network(space, weights, precision, device, optimise=optimise)

    @property
    def halvings(self) -> int:
        """How often the batch was halved because the device's memory was full."""
        return self._halvings

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed pictures `[b, size, size, 3]`, preprocessed to the space's size, as float32 `[b, dim]`.

        A batch that does not fit the device's memory is halved, as are those that follow.

        Raises:
            SpaceMismatch: for pictures of another size.
            torch.OutOfMemoryError: where not even one picture fits.
        """
        self._require_shape(pixels)
        vectors = np.empty((len(pixels), self.space.dim), np.float32)
        start = 0
        while start < len(pixels):
            batch = pixels[start:][: self._batch_limit]
            try:
                vectors[start : start + len(batch)] = self._embed(batch)
                start += len(batch)
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise
                self._batch_limit = len(batch) // 2
                self._halvings += 1
        return vectors

    @torch.inference_mode()
    def _embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        # torch wants to be able to write: read-only arrays, such as those out of Ray's object store, are copied.
        batch = torch.from_numpy(np.require(pixels, requirements=("C", "W")))
        if self._device.type == "cuda":
            batch = batch.pin_memory()
        vectors: NDArray[np.float32] = self._network(batch.to(self._device, non_blocking=True)).cpu().numpy()
        return vectors

    def _require_shape(self, pixels: NDArray[np.uint8]) -> None:
        size = self.space.preprocess.size
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (size, size, 3):
            raise SpaceMismatch(
                f"{self.space.encoder}: expected pictures uint8 [b, {size}, {size}, 3], "
                f"found {pixels.dtype} {list(pixels.shape)}; preprocess them as its space says"
            )

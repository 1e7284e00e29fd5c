"""The baseline of `embed_throughput`: what a user writes without this project, a DataLoader and a loop.

Pillow decodes in two worker processes, torchvision's preset resizes, the model runs in the main process in batches of
64. Prints one JSON line: images, seconds from start to end of the process's work, steady images a second (after the
first batch, so that start-up does not count).
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

BEGAN = time.perf_counter()

import torch  # noqa: E402  # the seconds that importing takes are part of the whole
from PIL import Image  # noqa: E402  # as above
from torch import Tensor, nn  # noqa: E402  # as above
from torch.utils.data import DataLoader, Dataset  # noqa: E402  # as above
from torchvision.models import get_model  # noqa: E402  # as above
from torchvision.transforms._presets import ImageClassification  # noqa: E402  # as above

BATCH = 64
DECODERS = 2


class Pictures(Dataset[Tensor]):
    """Pictures of files, preprocessed as torchvision's weights want it."""

    def __init__(self, files: list[Path]) -> None:
        self.files, self.preset = files, ImageClassification(crop_size=224)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> Tensor:
        with Image.open(self.files[place]) as picture:
            pixels: Tensor = self.preset(picture.convert("RGB"))
        return pixels


def without_classifier(name: str, weights: Path) -> nn.Module:
    """Return a model that gives its pooled features."""
    model: nn.Module = get_model(name, weights=None)
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    setattr(model, "fc" if hasattr(model, "fc") else "classifier", nn.Identity())
    return model.eval().to(memory_format=torch.channels_last)


def embedded(model: nn.Module, files: list[Path]) -> Iterator[tuple[float, Tensor]]:
    """Yield each batch's vectors at unit length, and when they were there."""
    with torch.inference_mode():
        for pixels in DataLoader(Pictures(files), BATCH, num_workers=DECODERS):
            vectors = nn.functional.normalize(model(pixels.to(memory_format=torch.channels_last)))
            yield time.perf_counter(), vectors


def main() -> None:
    """Embed the pictures below some folders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", type=Path, required=True)
    asked = parser.parse_args()
    files = sorted(path for folder in asked.folders for path in folder.rglob("*") if path.is_file())
    done = list(embedded(without_classifier(asked.model, asked.weights), files))
    ended, n_first = time.perf_counter(), len(done[0][1])
    measured = {
        "images": sum(len(vectors) for _, vectors in done),
        "seconds": ended - BEGAN,
        "steady": (len(files) - n_first) / (done[-1][0] - done[0][0]),
    }
    sys.stdout.write(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main()

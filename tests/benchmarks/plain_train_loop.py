"""The baseline of `train_throughput`: what a user writes without this project to fine-tune by triplets.

Worker processes of a DataLoader decode by Pillow and augment by torchvision, P x K batches, batch-hard triplet loss
with a soft margin on unit vectors, the last half of mobilenet_v2's blocks learning with batch norms frozen, AdamW.
Prints one JSON line: images, seconds from start to end of the process's work, steady images a second (after the first
epoch, so that start-up does not count).
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

BEGAN = time.perf_counter()

import torch  # noqa: E402  # the seconds that importing takes are part of the whole
from PIL import Image  # noqa: E402  # as above
from torch import Tensor, nn  # noqa: E402  # as above
from torch.utils.data import DataLoader, Dataset, Sampler  # noqa: E402  # as above
from torchvision.models import get_model  # noqa: E402  # as above
from torchvision.transforms import v2  # noqa: E402  # as above

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DECODERS = 2
CLIP_NORM = 5.0


class Pictures(Dataset[tuple[Tensor, int]]):
    """Augmented pictures of files with the class that their folder names."""

    def __init__(self, files: list[Path], size: int) -> None:
        names = sorted({file.parent.name for file in files})
        self.files, self.classes = files, [names.index(file.parent.name) for file in files]
        self.view = v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=(0.35, 1.0)),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(0.3, 0.3, 0.3, 0.02),
                v2.RandomGrayscale(0.1),
                v2.PILToTensor(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        with Image.open(self.files[place]) as picture:
            return self.view(picture.convert("RGB")), self.classes[place]


class ClassBatches(Sampler[list[int]]):
    """Batches of P classes with K pictures each."""

    def __init__(self, classes: list[int], batch: int, k: int, steps: int) -> None:
        self.of = {each: [place for place, other in enumerate(classes) if other == each] for each in set(classes)}
        self.p, self.k, self.steps = batch // k, k, steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        for _ in range(self.steps):
            chosen = random.sample(sorted(self.of), self.p)
            yield [place for each in chosen for place in random.sample(self.of[each], self.k)]


def network(name: str, weights: Path) -> nn.Module:
    """Return a model that gives its pooled features, the last half of its blocks learning."""
    model: nn.Module = get_model(name, weights=None)
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    model.classifier = nn.Identity()
    blocks = list(model.features)
    for block in blocks[: len(blocks) // 2]:
        block.requires_grad_(False)
    return model.eval().to(memory_format=torch.channels_last)  # evaluation mode: batch norms keep their statistics


def hardest(embeddings: Tensor, classes: Tensor) -> Tensor:
    """Return the batch-hard triplet loss with a soft margin (Hermans et al. 2017)."""
    distances = torch.cdist(embeddings, embeddings)
    alike = classes[:, None] == classes[None]
    farthest = distances.masked_fill(~alike, 0).amax(1)
    nearest = distances.masked_fill(alike, torch.inf).amin(1)
    return nn.functional.softplus(farthest - nearest).mean()


def train(model: nn.Module, loader: DataLoader[tuple[Tensor, int]], epochs: int) -> list[float]:
    """Train, and return when each epoch ended."""
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer, ended = torch.optim.AdamW(learning, 1e-4, weight_decay=1e-4), []
    for _ in range(epochs):
        for views, classes in loader:
            embeddings = nn.functional.normalize(model(views.to(memory_format=torch.channels_last)))
            loss = hardest(embeddings, classes)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(learning, CLIP_NORM)
            optimizer.step()
        ended.append(time.perf_counter())
    return ended


def main() -> None:
    """Train on the pictures of a folder of classes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--model", default="mobilenet_v2")
    for name, default in (("epochs", 4), ("steps", 10), ("batch", 60), ("k", 5), ("size", 160)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    pictures = Pictures(sorted(path for path in asked.folder.rglob("*") if path.is_file()), asked.size)
    batches = ClassBatches(pictures.classes, asked.batch, asked.k, asked.steps)
    loader = DataLoader(pictures, batch_sampler=batches, num_workers=DECODERS, persistent_workers=True)
    ended = train(network(asked.model, asked.weights), loader, asked.epochs)
    n_images = asked.steps * asked.batch
    measured = {
        "images": asked.epochs * n_images,
        "seconds": time.perf_counter() - BEGAN,
        "steady": (asked.epochs - 1) * n_images / (ended[-1] - ended[0]),
    }
    sys.stdout.write(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main()

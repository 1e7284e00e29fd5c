"""What may be asked of training: one spec a preset, each field a flag.

All of a preset is fingerprinted. Where it runs (`Resources`) is not: workers only divide the global batch.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from revsearch.space import Fit, Pooling
from revsearch.specs import MAX_SEED, Precision, option

Preset = Literal["autoencoder", "triplet-autoencoder", "triplet", "contrastive", "classifier"]
Schedule = Literal["constant", "cosine", "step"]
ValidationSplit = Literal["class", "image"]
Identity = Literal["auto", "label", "group"]
Normalise = Literal["imagenet", "half", "none"]
Head = Literal["none", "linear", "mlp"]
BatchNorm = Literal["frozen", "trained"]
TripletLoss = Literal["triplet", "multi-similarity", "arcface", "proxy-anchor", "nt-xent"]
Miner = Literal["all", "semihard", "hard"]
Distance = Literal["cosine", "euclidean"]
Reconstruction = Literal["mse", "l1"]
Output = Literal["sigmoid", "linear"]
Rare = Literal["fail", "skip"]


@dataclass(frozen=True)
class TrainSpec:
    """What every preset has."""

    preset: ClassVar[Preset]

    manifest: str = option(help="manifest id or ref; its train rows, or where it has none its gallery rows")
    epochs: int = option(12, help="epochs at most", short="e", at_least=1, at_most=100_000)
    batch_size: int = option(60, help="images a step, of all workers together", short="bs", at_least=2, at_most=65_536)
    steps_per_epoch: int = option(0, help="steps an epoch; 0: as many as show each image once", at_least=0)
    lr: float = option(5e-5, help="highest learning rate", at_least=1e-8, at_most=10)
    weight_decay: float = option(1e-4, help="weight decay of AdamW", at_least=0, at_most=1)
    schedule: Schedule = option("cosine", help="how the learning rate falls, a function of the step alone")
    warmup: float = option(0.05, help="share of all steps in which it rises to --lr", at_least=0, at_most=0.9)
    clip_norm: float = option(5.0, help="largest norm of a step's gradient; 0: not clipped", at_least=0)
    image_size: int | None = option(
        None, help="side of the training views (default: the preset's own)", at_least=16, at_most=4096
    )
    precision: Precision = option("fp32", help="arithmetic of the forward pass")
    seed: int = option(0, help="seed of weights, batches and views", at_least=0, at_most=MAX_SEED)
    identity: Identity = option(
        "auto", help="what makes two images alike, to learn and to judge by (auto: the group where there is one)"
    )
    split: ValidationSplit = option("class", help="what validation holds out: whole classes, or images of each")
    validation_share: float = option(0.2, help="share of classes or images held out", at_least=0.01, at_most=0.9)
    validation_images: int = option(2000, help="held-out images a validation ranks at most, seeded", at_least=2)
    validate_every: int = option(1, help="epochs between validations and checkpoints", at_least=1)
    patience: int = option(4, help="validations without a gain until training stops; 0: never", at_least=0)
    never: tuple[str, ...] = option((), help="manifests of evaluations: their images may not be trained on")
    crop: float = option(0.35, help="least share of the picture in a crop; 1: all of it", at_least=0.05, at_most=1)
    flip: float = option(0.5, help="share of views mirrored", at_least=0, at_most=1)
    rotate: float = option(0.0, help="rotation up to so many degrees to either side", at_least=0, at_most=180)
    zoom: float = option(0.0, help="scaled by a factor of 1 plus or minus this", at_least=0, at_most=0.9)
    shift: float = option(0.0, help="moved by up to this share of the side", at_least=0, at_most=0.9)
    jitter: float = option(0.3, help="brightness, contrast and saturation by plus or minus this", at_least=0, at_most=1)
    hue: float = option(0.02, help="hue by plus or minus this part of the circle", at_least=0, at_most=0.5)
    grayscale: float = option(0.1, help="share of views without colour", at_least=0, at_most=1)


@dataclass(frozen=True)
class AutoencoderSpec(TrainSpec):
    """Convolutional autoencoder: the bottleneck is the embedding, no labels needed."""

    preset: ClassVar[Preset] = "autoencoder"

    epochs: int = option(50, help="epochs at most", short="e", at_least=1, at_most=100_000)
    patience: int = option(10, help="validations without a gain until training stops; 0: never", at_least=0)
    lr: float = option(1e-3, help="highest learning rate", at_least=1e-8, at_most=10)
    split: ValidationSplit = option("image", help="what validation holds out: whole classes, or images of each")
    dim: int = option(128, help="length of the bottleneck", at_least=2, at_most=16_384)
    width: int = option(32, help="channels of the first convolution; doubled by each", at_least=4, at_most=512)
    normalise: Normalise = option("half", help="pixels to network inputs: ImageNet's mean, 0.5, or 0..1 as they are")
    reconstruction: Reconstruction = option("mse", help="what is minimised between picture and reconstruction")
    output: Output = option("sigmoid", help="last layer of the decoder; its picture lies in 0..1")


@dataclass(frozen=True)
class TripletAutoencoderSpec(AutoencoderSpec):
    """Autoencoder whose bottleneck is also trained to tell classes apart: reconstruction plus triplet loss."""

    preset: ClassVar[Preset] = "triplet-autoencoder"

    split: ValidationSplit = option("class", help="what validation holds out: whole classes, or images of each")
    triplet_weight: float = option(0.1, help="weight of the triplet loss beside reconstruction", at_least=0)
    images_per_class: int = option(5, help="K of the P x K batches", at_least=2, at_most=4096)
    rare: Rare = option("fail", help="what classes of too few images lead to: an error, or they are left out")
    miner: Miner = option("semihard", help="which triplets of a batch count; hard ones collapse it")
    margin: float | None = option(None, help="margin of the triplet loss (default: soft)", at_least=0, at_most=10)
    distance: Distance = option("euclidean", help="between embeddings of unit length")

    def conflicts(self) -> Iterator[str]:
        """Yield what does not go together."""
        yield from _batches(self)
        yield from _mining(self)


@dataclass(frozen=True)
class FineTuneSpec(TrainSpec):
    """What presets on a backbone share."""

    encoder: str = option("resnet50:IMAGENET1K_V2", help="what to start from, as `embed --encoder`, or an encoder id")
    pooling: Pooling | None = option(None, help="feature map to vector (default: the encoder's own)")
    fit: Fit | None = option(None, help="how a picture is made square when it is embedded (default: the encoder's own)")
    head: Head = option("none", help="projection after pooling")
    dim: int = option(512, help="length of the embedding, where there is a head", at_least=2, at_most=16_384)
    trainable_blocks: int | None = option(
        None, help="the last so many blocks of the backbone learn; 0: frozen (default: the last half)", at_least=0
    )
    batch_norm: BatchNorm | None = option(
        None, help="whether batch norms of the backbone keep their statistics (default: those of learned weights do)"
    )
    interpolate: tuple[float, ...] = option(
        (0.5, 1.0), help="candidates a validation, between the start's weights (0) and the trained ones (1)"
    )

    def conflicts(self) -> Iterator[str]:
        """Yield what does not go together."""
        for share in self.interpolate:
            if not 0 < share <= 1:
                yield f"--interpolate: expected shares above 0 and up to 1, found {share:g}"
        if not self.interpolate:
            yield "--interpolate: expected at least one share, 1 for the trained weights themselves; found none"
        if self.head == "none" and self.trainable_blocks == 0:
            yield "--trainable-blocks 0: a frozen backbone without a head has nothing to learn; add --head linear"


@dataclass(frozen=True)
class SiameseSpec(FineTuneSpec):
    """What presets share that compare images of a batch with each other."""

    images_per_class: int = option(5, help="K of the P x K batches", at_least=2, at_most=4096)
    rare: Rare = option("fail", help="what classes of too few images lead to: an error, or they are left out")
    distil: float = option(0.0, help="weight of staying near the start's embeddings", at_least=0)

    def conflicts(self) -> Iterator[str]:
        """Yield what does not go together."""
        yield from super().conflicts()
        yield from _batches(self)


@dataclass(frozen=True)
class TripletSpec(SiameseSpec):
    """Triplet (siamese) network on a backbone: images of one class near, of others far."""

    preset: ClassVar[Preset] = "triplet"

    loss: TripletLoss = option("triplet", help="which loss of metric learning")
    miner: Miner = option("hard", help="which triplets of a batch count, of the triplet loss")
    margin: float | None = option(None, help="margin of the triplet loss (default: soft)", at_least=0, at_most=10)
    distance: Distance = option("euclidean", help="between embeddings of unit length, of the triplet loss")

    def conflicts(self) -> Iterator[str]:
        """Yield what does not go together."""
        yield from super().conflicts()
        yield from _mining(self)
        if self.loss != "triplet" and self.margin is not None:
            yield f"--margin: belongs to --loss triplet, found --loss {self.loss}"


@dataclass(frozen=True)
class ContrastiveSpec(SiameseSpec):
    """Siamese network on pairs: alike ones nearer than one margin, others farther than another."""

    preset: ClassVar[Preset] = "contrastive"

    positive_margin: float = option(0.0, help="distance below which alike pairs are left alone", at_least=0, at_most=2)
    negative_margin: float = option(1.0, help="distance above which other pairs are left alone", at_least=0, at_most=2)

    def conflicts(self) -> Iterator[str]:
        """Yield what does not go together."""
        yield from super().conflicts()
        if self.negative_margin <= self.positive_margin:
            yield (
                f"--negative-margin: expected more than --positive-margin {self.positive_margin:g}, "
                f"found {self.negative_margin:g}"
            )


@dataclass(frozen=True)
class ClassifierSpec(FineTuneSpec):
    """Classifier, from scratch (`--encoder cnn`) or on a backbone; its penultimate features are the embedding."""

    preset: ClassVar[Preset] = "classifier"

    epochs: int = option(50, help="epochs at most", short="e", at_least=1, at_most=100_000)
    patience: int = option(10, help="validations without a gain until training stops; 0: never", at_least=0)
    encoder: str = option("cnn", help="cnn: from scratch; else what to start from, as `embed --encoder`")
    lr: float = option(5e-4, help="highest learning rate", at_least=1e-8, at_most=10)
    split: ValidationSplit = option("image", help="what validation holds out: whole classes, or images of each")
    width: int = option(32, help="channels of the first convolution, from scratch", at_least=4, at_most=512)
    normalise: Normalise = option("half", help="pixels to network inputs, from scratch")
    identity: Identity = option("label", help="what the classes are")
    rare: Rare = option("fail", help="what classes of too few images lead to: an error, or they are left out")
    label_smoothing: float = option(0.1, help="share of the target spread over all classes", at_least=0, at_most=0.9)

    @property
    def from_scratch(self) -> bool:
        """Whether there is no backbone to start from."""
        return self.encoder == "cnn"


PRESETS: Mapping[Preset, type[TrainSpec]] = {
    spec.preset: spec
    for spec in (AutoencoderSpec, TripletAutoencoderSpec, TripletSpec, ContrastiveSpec, ClassifierSpec)
}

PairSpec = TripletAutoencoderSpec | SiameseSpec  # those that need P x K batches


def _batches(spec: PairSpec) -> Iterator[str]:
    if spec.batch_size % spec.images_per_class:
        yield (
            f"--batch-size: expected a multiple of --images-per-class {spec.images_per_class}, found {spec.batch_size}"
        )
    elif spec.batch_size < 2 * spec.images_per_class:
        yield (
            f"--batch-size: expected at least two classes of --images-per-class {spec.images_per_class}, "
            f"found {spec.batch_size}"
        )


def _mining(spec: TripletAutoencoderSpec | TripletSpec) -> Iterator[str]:
    if spec.miner == "semihard" and spec.margin == 0:
        yield "--margin 0: semi-hard triplets lie within the margin, so there are none; raise it or leave it out"

"""What a training run is to give: the space of its encoder, and the size of its views. Computes no values."""

from collections.abc import Mapping
from dataclasses import replace

from revsearch.errors import InvalidSpec
from revsearch.model.architecture import Architecture, Top
from revsearch.model.backbone import probe
from revsearch.model.convnet import MIN_SIZE, channels_of
from revsearch.model.freezing import n_trained_blocks
from revsearch.space import EmbeddingSpace, Fit, Pooling, Preprocess
from revsearch.train_specs import AutoencoderSpec, ClassifierSpec, FineTuneSpec, Head, Normalise, TrainSpec

_AUTOENCODER_SIZE, _CNN_SIZE = 64, 96
_RESIZE = 256 / 224  # the shorter side before the crop, as torchvision's presets have it
# Views are smaller than what is embedded, for speed, and because a random crop shows things larger than they will be
# (Touvron et al. 2019, Fixing the train-test resolution discrepancy): 160 for 224.
_VIEW_SHARE, _VIEW_STEP = 0.714, 32

_Three = tuple[float, float, float]
_STATISTICS: Mapping[Normalise, tuple[_Three, _Three]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
_TOPS: Mapping[Head, Top] = {"none": "identity", "linear": "linear", "mlp": "mlp"}


def planned_space(spec: TrainSpec, start: EmbeddingSpace | None) -> EmbeddingSpace:
    """Return the space of the encoder that training gives, `weights` empty until there are any.

    Args:
        spec: preset, head and dim.
        start: the space of `spec.encoder`, pooling and fit already chosen; None for presets that train from scratch.

    Raises:
        InvalidSpec: where what is asked for does not go with the start, or with nothing to start from.
    """
    if isinstance(spec, AutoencoderSpec):
        preprocess = _preprocess(spec.image_size or _AUTOENCODER_SIZE, "crop", spec.normalise)
        return EmbeddingSpace(f"autoencoder-w{spec.width}", "", preprocess, "native", spec.dim)
    if isinstance(spec, ClassifierSpec) and spec.from_scratch:
        return _convolutional(spec)
    if start is None or not isinstance(spec, FineTuneSpec):
        raise InvalidSpec(f"--encoder: {spec.preset} needs an encoder to start from")
    architecture, dim = _continued(spec, start)
    space = replace(start, encoder=str(architecture), weights="", dim=dim)
    view_size(spec, space)
    n_trained_blocks(spec, start)
    return space


def view_size(spec: TrainSpec, space: EmbeddingSpace) -> int:
    """Return the side of the training views, in pixels.

    Raises:
        InvalidSpec: where the network does not take views of the size asked for.
    """
    architecture, own = Architecture.parse(space.encoder), space.preprocess.size
    if architecture.own:
        return _own_size(spec.image_size or own)
    if architecture.family.fixed_size:
        return _fixed_size(architecture.trunk, spec.image_size, own)
    size = spec.image_size or max(_VIEW_STEP, round(_VIEW_SHARE * own / _VIEW_STEP) * _VIEW_STEP)
    probe(architecture.trunk, size)
    return size


def _convolutional(spec: ClassifierSpec) -> EmbeddingSpace:
    if spec.trainable_blocks is not None:
        raise InvalidSpec("--trainable-blocks: all of --encoder cnn is trained, from scratch; leave it out")
    preprocess = _preprocess(spec.image_size or _CNN_SIZE, spec.fit or "crop", spec.normalise)
    top: Top | None = None if spec.head == "none" else _TOPS[spec.head]
    dim = channels_of(spec.width) if top is None else spec.dim
    return EmbeddingSpace(str(Architecture(f"cnn-w{spec.width}", spec.width, top)), "", preprocess, _pooled(spec), dim)


def _continued(spec: FineTuneSpec, start: EmbeddingSpace) -> tuple[Architecture, int]:
    """Return the architecture that goes on from the start's, and its dim: a head that is there goes on learning."""
    architecture = Architecture.parse(start.encoder)
    if spec.head == "none":
        top = architecture.top or (None if architecture.own else "identity")
        return replace(architecture, top=top), start.dim
    if architecture.native or architecture.top not in (None, "identity"):
        has = "ends on its bottleneck" if architecture.native else f"has a head, {architecture.top}, which goes on"
        raise InvalidSpec(f"--head: {start.encoder} {has}; leave --head {spec.head} out")
    return replace(architecture, top=_TOPS[spec.head]), spec.dim


def _preprocess(size: int, fit: Fit, normalise: Normalise) -> Preprocess:
    return Preprocess(fit, round(_own_size(size) * _RESIZE), size, "bilinear", *_STATISTICS[normalise])


def _pooled(spec: ClassifierSpec) -> Pooling:
    if spec.pooling == "native":
        raise InvalidSpec("--pooling: --encoder cnn gives a feature map; expected gap or max or gem, found native")
    return spec.pooling or "gap"


def _own_size(size: int) -> int:
    if size < MIN_SIZE:
        raise InvalidSpec(f"--image-size: expected at least {MIN_SIZE} pixels, found {size}")
    return size


def _fixed_size(trunk: str, asked: int | None, own: int) -> int:
    if asked not in (None, own):
        raise InvalidSpec(f"--image-size: {trunk} takes views of {own} only, found {asked}; leave it out")
    return own

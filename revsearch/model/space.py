"""The embedding space that an encoder's name and a few choices stand for."""

from dataclasses import replace

from revsearch.errors import InvalidSpec
from revsearch.model.backbone import FeatureKind, probe
from revsearch.model.families import family_of
from revsearch.model.names import EncoderName
from revsearch.model.zoo import own_preprocess
from revsearch.space import EmbeddingSpace, Fit, Pooling, Preprocess


def describe(
    name: EncoderName, weights_id: str, *, pooling: Pooling | None, fit: Fit | None, image_size: int | None
) -> EmbeddingSpace:
    """Return the space of an encoder; None takes what its weights came with (`crop`) or suits the model (`gap`).

    Args:
        name: model and weights, which give the preprocessing.
        weights_id: `sha256:<hex>` of the weights file, or `random-<seed>`.
        pooling: of a feature map; models without one have `native` only.
        fit: how a picture is made square.
        image_size: side of the encoder's input in pixels; the shorter side before the crop scales with it.

    Raises:
        InvalidSpec: where the model has no such pooling or cannot take this size.
    """
    preprocess = _preprocess(name, fit or "crop", image_size)
    kind, dim = probe(name.architecture, preprocess.size)
    return EmbeddingSpace(name.architecture, weights_id, preprocess, _pooling(name.architecture, kind, pooling), dim)


def _preprocess(name: EncoderName, fit: Fit, size: int | None) -> Preprocess:
    own = own_preprocess(name.architecture, name.weights if name.seed is None else None)
    if size is None or size == own.size:
        return replace(own, fit=fit)
    if family_of(name.architecture).fixed_size:
        raise InvalidSpec(f"--image-size: {name.architecture} takes {own.size} with these weights, found {size}")
    return replace(own, fit=fit, size=size, resize=round(size * own.resize / own.size))


def _pooling(architecture: str, kind: FeatureKind, asked: Pooling | None) -> Pooling:
    possible: tuple[Pooling, ...] = ("gap", "max", "gem") if kind is FeatureKind.MAP else ("native",)
    if asked is not None and asked not in possible:
        gives = "a feature map" if kind is FeatureKind.MAP else "a vector of its own"
        raise InvalidSpec(f"--pooling: {architecture} gives {gives}; expected {' or '.join(possible)}, found {asked}")
    return asked or possible[0]

"""What torchvision's zoo of classification models holds: models, their weights, and what weights expect to see."""

from collections.abc import Callable
from typing import Any

from torch import nn
from torchvision import models
from torchvision.transforms import InterpolationMode

from revsearch.space import Interpolation, Preprocess

_INTERPOLATIONS: dict[InterpolationMode, Interpolation] = {
    InterpolationMode.NEAREST: "nearest",
    InterpolationMode.BILINEAR: "bilinear",
    InterpolationMode.BICUBIC: "bicubic",
}

_registry: Any = models  # whose functions torchvision does not declare as exported


def classification_models() -> list[str]:
    """Return all models of the zoo that classify still images, sorted; quantized ones are left out."""
    return sorted(_registry.list_models(module=models))


def weights_names(architecture: str) -> list[str]:
    """Return torchvision's names of the weights it has for a model, oldest first."""
    return [weights.name for weights in _registry.get_model_weights(architecture)]


def builder(architecture: str) -> Callable[..., nn.Module]:
    """Return torchvision's function that builds a model."""
    build: Callable[..., nn.Module] = _registry.get_model_builder(architecture)
    return build


def default_weights(architecture: str) -> str:
    """Return the name of the weights torchvision calls the best it has for a model."""
    return str(_registry.get_model_weights(architecture).DEFAULT.name)


def weights_url(architecture: str, weights: str) -> str:
    """Return where torchvision publishes the file of these weights."""
    return str(_registry.get_model_weights(architecture)[weights].url)


def own_preprocess(architecture: str, weights: str | None) -> Preprocess:
    """Return the preprocessing that came with these weights; None: with the model's default ones."""
    transforms = _registry.get_model_weights(architecture)[weights or default_weights(architecture)].transforms()
    mean, std = (_three(values) for values in (transforms.mean, transforms.std))
    (resize,), (size,) = transforms.resize_size, transforms.crop_size
    return Preprocess("crop", resize, size, _INTERPOLATIONS[transforms.interpolation], mean, std)


def _three(values: list[float]) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue

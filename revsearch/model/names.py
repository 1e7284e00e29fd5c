"""Names of neural encoders, as they are typed: MODEL, MODEL:WEIGHTS, MODEL:WEIGHTS@FILE, MODEL:random-SEED.

torchvision knows which models and weights there are, and is imported only when a name is to be checked.
"""

import re
from dataclasses import dataclass

from revsearch.errors import InvalidSpec
from revsearch.specs import did_you_mean

_FORMS = "MODEL, MODEL:WEIGHTS, MODEL:WEIGHTS@FILE or MODEL:random-SEED"
_RANDOM = re.compile(r"random-(\d{1,18})")


@dataclass(frozen=True, slots=True)
class EncoderName:
    """A neural encoder by name.

    Attributes:
        architecture: torchvision's name of the model.
        weights: torchvision's name of weights of that model, which also give the preprocessing, or `random-<seed>`.
        file: a state dict that takes the place of torchvision's own.
    """

    architecture: str
    weights: str
    file: str | None = None

    @property
    def seed(self) -> int | None:
        """The seed of random weights, None where weights are learned ones."""
        found = _RANDOM.fullmatch(self.weights)
        return int(found[1]) if found else None


def parse_encoder_name(text: str) -> EncoderName:
    """Return the encoder that `text` names; a model alone stands for torchvision's default weights of it.

    Raises:
        InvalidSpec: for a model or weights that torchvision does not have, with the nearest name and what there is.
    """
    before, at, file = text.partition("@")
    architecture, colon, weights = before.partition(":")
    if not architecture or (colon and not weights) or (at and not file):
        raise InvalidSpec(f"--encoder: expected {_FORMS}, found {text!r}")
    _require_model(architecture)
    name = EncoderName(architecture, weights or _default_weights(architecture), file or None)
    _require_weights(name)
    return name


def zoo_names() -> list[str]:
    """Return the names of all classification models of torchvision's zoo, sorted."""
    from revsearch.model.zoo import classification_models

    return classification_models()


def _require_model(architecture: str) -> None:
    known = zoo_names()
    if architecture not in known:
        raise InvalidSpec(
            f"--encoder: expected color-histogram or one of torchvision's {len(known)} classification models, "
            f"found {architecture!r}{did_you_mean(architecture, [*known, 'color-histogram'])}"
        )


def _require_weights(name: EncoderName) -> None:
    from revsearch.model.zoo import weights_names

    if name.seed is not None:
        if name.file is not None:
            raise InvalidSpec(f"--encoder: {name.weights} takes no file, found {name.file!r}; leave out one of the two")
        return
    known = weights_names(name.architecture)
    if name.weights not in known:
        raise InvalidSpec(
            f"--encoder: expected weights of {name.architecture}: {', '.join([*known, 'random-SEED'])}; "
            f"found {name.weights!r}{did_you_mean(name.weights, known)}"
        )


def _default_weights(architecture: str) -> str:
    from revsearch.model.zoo import default_weights

    return default_weights(architecture)

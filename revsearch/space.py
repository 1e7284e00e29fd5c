"""Which vectors may be compared: the encoder, what it sees, and how its features become one vector."""

from dataclasses import asdict, dataclass
from typing import Literal, Self

from revsearch.errors import SpaceMismatch
from revsearch.fingerprint import canonical_json, sha256_hex

Fit = Literal["crop", "pad", "squash"]
Interpolation = Literal["nearest", "bilinear", "bicubic"]
Pooling = Literal["gap", "max", "gem", "native"]


@dataclass(frozen=True, slots=True)
class Preprocess:
    """From a decoded picture to the encoder's input `[size, size, 3]`.

    `crop` resizes the shorter side to `resize` and cuts the centre; `pad` resizes the longer side to `size` and
    fills up to a square with the mean colour; `squash` resizes both sides to `size`, aspect lost. Resizing is
    antialiased. Channels, scaled to 0..1, are normalised with `mean` and `std`.
    """

    fit: Fit
    resize: int
    size: int
    interpolation: Interpolation
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """Vectors are comparable only where their spaces are equal.

    Precision, device, batch size and metric are not in it: they change figures by rounding, not by meaning.

    Attributes:
        encoder: architecture, or the handcrafted encoder's name.
        weights: `sha256:<64 hex>` of the weights file, `random-<seed>`, or `revision-<n>` of a handcrafted encoder.
        preprocess: what the encoder sees.
        pooling: how a feature map `[channels, h, w]` becomes `[channels]`; `native` where the encoder does it itself.
        dim: length of a vector.
    """

    encoder: str
    weights: str
    preprocess: Preprocess
    pooling: Pooling
    dim: int

    @property
    def fingerprint(self) -> str:
        """64 hex digits, equal exactly where spaces are equal."""
        return sha256_hex(canonical_json(self.to_dict()))

    def to_dict(self) -> dict[str, object]:
        """Return plain values, as a card keeps them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> Self:
        """Rebuild a space from a card's plain values.

        Raises:
            TypeError, KeyError: where a field is missing or unknown.
        """
        preprocess = dict(values["preprocess"])  # type: ignore[call-overload]  # JSON object, checked by the constructor
        for name in ("mean", "std"):
            preprocess[name] = tuple(preprocess[name])
        return cls(**{**values, "preprocess": Preprocess(**preprocess)})  # type: ignore[arg-type]  # same


def require_same_space(left: EmbeddingSpace, right: EmbeddingSpace, *, left_name: str, right_name: str) -> None:
    """Refuse to compare vectors of different spaces.

    Raises:
        SpaceMismatch: naming both sides and every field that differs.
    """
    if left == right:
        return
    ours, theirs = left.to_dict(), right.to_dict()
    differing = [f"  {name}: {ours[name]} | {theirs[name]}" for name in ours if ours[name] != theirs[name]]
    raise SpaceMismatch(
        f"space mismatch: vectors of {left_name} and {right_name} cannot be compared; they differ in\n"
        + "\n".join(differing)
        + "\nEmbed both with the same encoder and preprocessing."
    )

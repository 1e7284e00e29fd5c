import json
from dataclasses import replace
from typing import Any

import pytest

from revsearch.errors import SpaceMismatch
from revsearch.space import EmbeddingSpace, Preprocess, require_same_space

PREPROCESS = Preprocess("crop", 256, 224, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SPACE = EmbeddingSpace("resnet50", f"sha256:{'ab' * 32}", PREPROCESS, "gap", 2048)

PREPROCESSES: dict[str, Any] = {
    "fit": "pad",
    "resize": 232,
    "size": 192,
    "interpolation": "bicubic",
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
}
OTHERS: dict[str, EmbeddingSpace] = {
    "encoder": replace(SPACE, encoder="resnet18"),
    "weights": replace(SPACE, weights="random-0"),
    "pooling": replace(SPACE, pooling="max"),
    "dim": replace(SPACE, dim=512),
    **{
        f"preprocess.{name}": replace(SPACE, preprocess=replace(PREPROCESS, **{name: value}))
        for name, value in PREPROCESSES.items()
    },
}


def test_a_space_comes_back_from_a_card() -> None:
    back = EmbeddingSpace.from_dict(json.loads(json.dumps(SPACE.to_dict())))
    assert back == SPACE
    assert back.fingerprint == SPACE.fingerprint
    assert len(SPACE.fingerprint) == 64


@pytest.mark.parametrize("field", OTHERS)
def test_a_space_that_differs_in_one_field_is_refused_naming_it_and_both_sides(field: str) -> None:
    other = OTHERS[field]
    assert other.fingerprint != SPACE.fingerprint
    with pytest.raises(SpaceMismatch, match="space mismatch") as caught:
        require_same_space(SPACE, other, left_name="index/1", right_name="embeddings/2")
    message = str(caught.value)
    assert "index/1" in message
    assert "embeddings/2" in message
    named = [line.split(":")[0].strip() for line in message.splitlines() if line.startswith("  ")]
    assert named == [field.split(".")[0]]
    ours, theirs = SPACE.to_dict(), other.to_dict()
    assert f"{ours[named[0]]} | {theirs[named[0]]}" in message


def test_all_fields_that_differ_are_named_at_once() -> None:
    with pytest.raises(SpaceMismatch) as caught:
        require_same_space(SPACE, replace(SPACE, dim=3, pooling="max"), left_name="a", right_name="b")
    assert "  pooling: gap | max\n  dim: 2048 | 3\n" in str(caught.value)


def test_equal_spaces_may_be_compared() -> None:
    require_same_space(SPACE, replace(SPACE), left_name="a", right_name="b")


def without(values: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


PLAIN: dict[str, Any] = SPACE.to_dict()
BROKEN: dict[str, dict[str, Any]] = {
    "a field missing": without(PLAIN, "dim"),
    "a field unknown": {**PLAIN, "metric": "l2"},
    "no preprocess": without(PLAIN, "preprocess"),
    "a field of preprocess missing": {**PLAIN, "preprocess": without(PLAIN["preprocess"], "std")},
    "a field of preprocess unknown": {**PLAIN, "preprocess": {**PLAIN["preprocess"], "gamma": 1}},
}


@pytest.mark.parametrize("values", BROKEN.values(), ids=list(BROKEN))
def test_values_that_are_no_space_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises((TypeError, KeyError)):
        EmbeddingSpace.from_dict(values)

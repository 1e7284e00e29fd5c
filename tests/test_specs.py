from dataclasses import MISSING, dataclass, fields
from typing import Any

import pytest

from revsearch.errors import InvalidSpec
from revsearch.specs import (
    EmbedSpec,
    EvaluateSpec,
    ImageLimits,
    IndexSpec,
    ManifestSpec,
    RankSpec,
    Resources,
    did_you_mean,
    option,
    problems,
    require_sound,
)

REQUIRED: dict[type[Any], dict[str, Any]] = {
    ManifestSpec: {"sources": ("photos",)},
    EmbedSpec: {"manifest": "m"},
    IndexSpec: {"embeddings": ("e",)},
    RankSpec: {"index": "i", "queries": ("e",)},
    EvaluateSpec: {"rankings": "r"},
    Resources: {},
}
BOUNDS = [
    (spec, field.name, bound, field.metadata[bound])
    for spec in REQUIRED
    for field in fields(spec)
    for bound in ("at_least", "at_most")
    if field.metadata[bound] is not None
]


@pytest.mark.parametrize("spec", REQUIRED, ids=lambda spec: spec.__name__)
def test_defaults_are_sound_and_every_field_says_what_it_is(spec: type[Any]) -> None:
    built = spec(**REQUIRED[spec])
    require_sound(built)
    for field in fields(spec):
        assert field.metadata["help"]
        assert (field.default is MISSING) == (field.name in REQUIRED[spec])


@pytest.mark.parametrize(("spec", "name", "bound", "limit"), BOUNDS)
def test_bounds_are_inclusive_and_what_lies_beyond_is_one_problem(
    spec: type[Any], name: str, bound: str, limit: float
) -> None:
    # M lies below ef_construction, whatever the bound
    room = {"ef_construction": 1000} if name == "M" else {"M": 2} if name == "ef_construction" else {}
    assert problems(spec(**{**REQUIRED[spec], **room, name: limit})) == []
    beyond = limit - 1 if bound == "at_least" else limit + 1
    found = problems(spec(**{**REQUIRED[spec], **room, name: beyond}))
    own = [problem for problem in found if "= " not in problem]
    assert own == [f"--{name.replace('_', '-')}: expected {bound.replace('_', ' ')} {limit}, found {beyond}"]


HOSTILE = [
    (RankSpec, {"k": 0}, "--k: expected at least 1, found 0"),
    (IndexSpec, {"seed": 10**22}, f"--seed: expected at most 4294967295, found {10**22}"),
    (IndexSpec, {"ef_construction": 10**9}, "--ef-construction: expected at most 10000, found 1000000000"),
    (EmbedSpec, {"image_size": 10**6}, "--image-size: expected at most 4096, found 1000000"),
    (Resources, {"image_timeout_s": 1e300}, "--image-timeout-s: expected at most 86400, found 1e+300"),
    (RankSpec, {"target_ann_recall": 1.5}, "--target-ann-recall: expected at most 1, found 1.5"),
    (IndexSpec, {"M": 1}, "--M: expected at least 2, found 1"),
    (IndexSpec, {"M": 32, "ef_construction": 31}, "--ef-construction: expected at least M = 32, found 31"),
    (IndexSpec, {"shards": 0}, "--shards: expected at least 1, found 0"),
    (EmbedSpec, {"image_size": 0}, "--image-size: expected at least 16, found 0"),
    (Resources, {"batch_size": -1}, "--batch-size: expected at least 1, found -1"),
    (Resources, {"gpus_per_worker": -0.5}, "--gpus-per-worker: expected at least 0, found -0.5"),
    (EvaluateSpec, {"bootstrap": 0}, "--bootstrap: expected at least 100, found 0"),
    (ManifestSpec, {"max_pixels": 0}, "--max-pixels: expected at least 1, found 0"),
    (ManifestSpec, {"max_ratio": float("nan")}, "--max-ratio: expected a finite number, found nan"),
    (ManifestSpec, {"max_ratio": float("inf")}, "--max-ratio: expected a finite number, found inf"),
    (RankSpec, {"target_ann_recall": float("nan")}, "--target-ann-recall: expected a finite number, found nan"),
    (Resources, {"image_timeout_s": float("nan")}, "--image-timeout-s: expected a finite number, found nan"),
]


@pytest.mark.parametrize(("spec", "values", "problem"), HOSTILE)
def test_values_that_cannot_be_are_refused(spec: type[Any], values: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        require_sound(spec(**{**REQUIRED[spec], **values}))
    assert caught.value.problems == (problem,)


def test_all_problems_come_at_once() -> None:
    spec = IndexSpec(embeddings=("e",), M=600, ef_construction=1, shards=0, seed=-1)
    with pytest.raises(InvalidSpec) as caught:
        require_sound(spec)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "--M",
        "--ef-construction",
        "--shards",
        "--seed",
        "--ef-construction",
    ]


def test_values_without_an_order_have_no_bounds() -> None:
    @dataclass
    class Spec:
        absent: int | None = option(None, help="", at_least=1)
        text: str = option("", help="", at_least=1)
        flag: bool = option(False, help="", at_least=1)
        several: tuple[str, ...] = option((), help="", at_least=1)

    assert problems(Spec()) == []


def test_limits_come_from_the_spec() -> None:
    limits = ManifestSpec(sources=("a",), max_pixels=1, max_side=2, max_bytes=3, max_ratio=4.0).limits
    assert limits == ImageLimits(1, 2, 3, 4.0)
    assert ManifestSpec(sources=("a",)).limits == ImageLimits()


@pytest.mark.parametrize(
    ("name", "answer"),
    [("manifset", "; did you mean manifest?"), ("embedings", "; did you mean embeddings?"), ("xyz", "")],
)
def test_the_nearest_name_is_suggested_where_one_is_near(name: str, answer: str) -> None:
    assert did_you_mean(name, iter(["manifest", "embeddings"])) == answer

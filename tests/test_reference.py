"""Real pictures and real weights: figures that a naive exact search with plain PyTorch gave (`reference.json`)."""

import json
from pathlib import Path

import pytest

from revsearch.storage.artifact import load
from revsearch.storage.opening import open_store

pytestmark = [pytest.mark.ray, pytest.mark.data, pytest.mark.slow]

TOLERANCE = 0.005  # about one query of 333
NAMES = {
    "top1": "hit_rate_at_1",
    "top5": "hit_rate_at_5",
    "top10": "hit_rate_at_10",
    "precision_at_5": "precision_at_5",
    "precision_at_10": "precision_at_10",
    "mAP": "ap_plain",
}
WEIGHTS = ("mobilenet_v2", "squeezenet1_1")
TWINS = 53  # pictures of `distractors` that are byte-identical to originals of `copies`


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("reference"))


@pytest.fixture(scope="module")
def run(shared_data, store, revsearch):
    """Run a set with these weights; what was embedded before is taken over."""
    images = shared_data / "images"

    def run(name: str, model: str, *arguments: object):
        told = revsearch(
            *("run", "--gallery", images / name / "gallery", "--queries", images / name / "query"),
            *("--encoder", f"{model}:IMAGENET1K_V1@{shared_data / 'weights' / f'{model}_imagenet.pth'}"),
            *(*arguments, "--store", store, "--json"),
        )
        assert told.code == 0, told.err
        return told.json

    return run


@pytest.fixture(scope="module")
def reference(shared_data: Path):
    results = json.loads((shared_data / "reference.json").read_text())["results"]
    return lambda name, model, part: results[f"{model}_imagenet.pth"][name][part]


def require_same(found: dict, expected: dict) -> None:
    for theirs, ours in NAMES.items():
        if theirs in expected:
            assert found["metrics"][ours]["value"] == pytest.approx(expected[theirs], abs=TOLERANCE), ours
    assert found["metrics"]["hit_rate_at_1"]["n"] == expected["n_query"]
    assert found["counts"]["ok"] == expected["n_query"] + expected["n_gallery_total"]


@pytest.mark.parametrize("kind", ["exact", "hnsw"])
@pytest.mark.parametrize("model", WEIGHTS)
@pytest.mark.parametrize("name", ["animals", "products"])
def test_with_distractors(run, reference, shared_data, store, name, model, kind):
    found = run(name, model, "--distractors", shared_data / "images" / "distractors", "--kind", kind)
    expected = reference(name, model, "gallery_plus_distractors")
    require_same(found, expected)
    index = load(open_store(store), found["index"]).card
    assert (index.counts.n_ok, index.facts["kind"]) == (expected["n_gallery_total"], kind)


@pytest.mark.parametrize("model", WEIGHTS)
@pytest.mark.parametrize("name", ["animals", "products"])
def test_gallery_only(run, reference, name, model):
    require_same(run(name, model), reference(name, model, "gallery_only"))


@pytest.mark.parametrize("kind", ["exact", "hnsw"])
@pytest.mark.parametrize("model", WEIGHTS)
def test_copies(run, reference, shared_data, store, model, kind):
    images = shared_data / "images"
    arguments = ("--distractors", images / "distractors", "--truth", images / "copies" / "copies.csv", "--kind", kind)
    found = run("copies", model, *arguments)
    require_same(found, reference("copies", model, "all"))
    manifest = load(open_store(store), found["manifest"]).card
    assert manifest.counts.rejected == {"duplicate_of_gallery": TWINS}

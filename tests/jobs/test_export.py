import csv
import json

import numpy as np
import pytest

pytestmark = pytest.mark.ray


def test_vectors_ids_and_rejects(demo, ids, revsearch, tmp_path):
    out = tmp_path / "new" / "folder"
    told = revsearch("export", ids.embeddings, "--format", "npy", "--out", out, "--store", demo.store)
    assert (told.code, told.last) == (0, str(out))
    vectors = np.load(out / "vectors.npy")
    names = [json.loads(line) for line in (out / "ids.jsonl").read_text().splitlines()]
    assert (vectors.ndim, len(vectors), vectors.dtype) == (2, 294, np.float32)
    assert np.isfinite(vectors).all()
    assert len(set(names)) == 294
    assert all((demo.images / name).is_file() for name in names)
    with (out / "rejects.csv").open(newline="") as lines:
        (reject,) = csv.DictReader(lines)
    assert (reject["id"].split("/")[-1], reject["reason"]) == ("broken-truncated.jpg", "truncated")


def test_other_kinds_are_not_written(demo, ids, revsearch, tmp_path):
    for name in (ids.index, ids.index.split("/")[1]):
        told = revsearch("export", name, "--out", tmp_path / "out", "--store", demo.store)
        assert told.code == 2
        assert f"expected an artifact of kind embeddings or encoder, found {ids.index}" in told.err
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written(demo, ids, revsearch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    told = revsearch("export", ids.embeddings, "--out", tmp_path / "file", "--store", demo.store)
    assert told.code == 2
    assert f"--out {tmp_path / 'file'}: cannot be written" in told.err


@pytest.mark.parametrize("arguments", [(), ("--format", "safetensors")])
def test_the_weights_of_a_trained_encoder(trained, revsearch, tmp_path, arguments):
    out = tmp_path / "new" / "folder"
    told = revsearch("export", trained.id, "--out", out, *arguments, "--store", trained.store)
    assert (told.code, told.last) == (0, str(out))
    assert (out / "weights.safetensors").read_bytes() == trained.weights
    assert sorted(path.name for path in out.iterdir()) == ["space.json", "weights.safetensors"]


def test_a_format_that_the_kind_does_not_have(trained, revsearch, tmp_path):
    told = revsearch("export", trained.id, "--format", "npy", "--out", tmp_path / "out", "--store", trained.store)
    assert told.code == 2
    assert f"expected an artifact of kind embeddings, found {trained.id}" in told.err
    assert not (tmp_path / "out").exists()

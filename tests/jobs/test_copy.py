import json
from pathlib import Path

import pytest

from revsearch.storage.artifact import Draft
from revsearch.storage.card import Counts
from revsearch.storage.catalog import list_artifacts
from revsearch.storage.opening import open_store
from revsearch.storage.refs import list_refs

pytestmark = pytest.mark.ray


@pytest.fixture
def other(tmp_path):
    return str(tmp_path / "other")


def copy(revsearch, demo, *arguments):
    return revsearch("copy", *arguments, "--store", demo.store)


def test_the_copy_is_whole_and_can_be_searched(demo, ids, revsearch, other, photo):
    told = copy(revsearch, demo, ids.evaluation, "--to", other, "--name", "shown")
    assert (told.code, told.err.count("error")) == (0, 0)
    assert [line.split()[:2] for line in told.out.splitlines()] == [
        [id, "copied"] for id in (ids.manifest, ids.embeddings, ids.index, ids.rankings, ids.evaluation)
    ]
    assert list_refs(open_store(other)) == {"shown": ids.evaluation}
    verified = revsearch("verify", "--store", other)
    assert (verified.code, len(verified.out.splitlines())) == (0, 5)
    here, there = (
        revsearch("rank", "--index", ids.index, photo, "--store", store).out for store in (demo.store, other)
    )
    assert here == there
    again = revsearch("embed", "--manifest", ids.manifest, "--encoder", "color-histogram", "--store", other)
    assert (again.code, again.last) == (0, ids.embeddings)


def test_a_second_run_copies_nothing_and_says_so(demo, ids, revsearch, other):
    copy(revsearch, demo, ids.index, "--to", other)
    told = copy(revsearch, demo, ids.index, "--to", other)
    assert told.code == 0
    assert told.out.splitlines() == [f"{id}  there already" for id in (ids.manifest, ids.embeddings, ids.index)]


def test_what_it_would_do(demo, ids, revsearch, other):
    told = copy(revsearch, demo, ids.embeddings, "--to", other, "--dry-run")
    assert told.code == 0
    lines = dict(line.split(": ", 1) for line in told.out.splitlines())
    assert set(lines) == {"rows", "parts", "bytes", "note"}
    cards = [json.loads((Path(demo.store) / id / "card.json").read_bytes()) for id in (ids.manifest, ids.embeddings)]
    assert int(lines["rows"]) == sum(card["counts"]["n_in"] for card in cards)
    assert int(lines["parts"]) == sum(len(card["parts"]) for card in cards)
    assert not Path(other).exists()


def test_names_are_heard_of_before_anything_is_copied(demo, ids, revsearch, other):
    for arguments, problem in [
        ((ids.index, ids.manifest, "--name", "two"), "--name: expected one artifact that it is to point to, found 2"),
        ((ids.index, "--name", "in valid"), "--name: expected letters"),
    ]:
        told = copy(revsearch, demo, *arguments, "--to", other)
        assert (told.code, problem in told.err) == (2, True)
    assert not Path(other).exists()


def test_to_what_is_no_store(demo, ids, revsearch):
    told = copy(revsearch, demo, ids.index, "--to", "gs://bucket")
    assert (told.code, "--to: expected a folder or s3://bucket/prefix, found 'gs://bucket'" in told.err) == (2, True)


def test_to_itself(demo, ids, revsearch):
    told = copy(revsearch, demo, ids.index, "--to", demo.store)
    assert (told.code, "expected another store" in told.err) == (2, True)


def test_a_place_that_cannot_be_written(demo, ids, revsearch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert copy(revsearch, demo, ids.index, "--to", tmp_path / "file").code == 2


def test_a_corrupt_source_commits_nothing(ids, revsearch, flipped, demo, other):
    part = next((Path(demo.store) / ids.index).glob("vectors-*")).name
    told = revsearch("copy", ids.index, "--to", other, "--store", flipped(ids.index, part, 0.5))
    assert (told.code, part in told.err) == (5, True)
    assert list(list_artifacts(open_store(other))) == []


def test_another_result_under_the_same_id(ids, revsearch, demo, other):
    kind, id = ids.manifest.split("/")
    Draft(open_store(other), kind, id, {}, {}).commit(Counts(0, 0), [])
    told = copy(revsearch, demo, ids.index, "--to", other)
    assert told.code == 6
    assert list(list_artifacts(open_store(other))) == [ids.manifest]

import shutil
from pathlib import Path

import pytest

from revsearch.storage.artifact import load
from revsearch.storage.opening import open_store

pytestmark = pytest.mark.ray


def test_every_artifact_is_sound(demo, ids, revsearch):
    told = revsearch("verify", "--store", demo.store)
    assert (told.code, told.err) == (0, "")
    assert [line.split()[:2] for line in told.out.splitlines()] == [[id, "ok"] for id in vars(ids).values()]


@pytest.mark.parametrize("kind", ["manifest", "embeddings", "index", "rankings", "evaluation"])
def test_a_flipped_bit_in_any_part_is_found(demo, ids, revsearch, flipped, kind):
    id = getattr(ids, kind)
    for part in load(open_store(demo.store), id).card.parts:
        told = revsearch("verify", id, "--store", flipped(id, part.name, 0.5))
        assert (told.code, told.out) == (5, f"{id}  corrupt\n")
        assert part.name in told.err
        assert told.err.splitlines()[-1].startswith("revsearch: exit=5 reason=checksum")


def test_it_goes_on_to_the_end_and_names_all_that_is_corrupt(demo, ids, revsearch, tmp_path):
    store = Path(shutil.copytree(demo.store, tmp_path / "store"))
    (vectors,) = (store / ids.index).glob("vectors-*")
    vectors.write_bytes(b"")
    (store / ids.embeddings / "card.json").write_bytes(b"{}")
    told = revsearch("verify", "--store", store)
    assert told.code == 5
    corrupt = {ids.index, ids.embeddings}
    assert [line.split()[:2] for line in told.out.splitlines()] == [
        [id, "corrupt" if id in corrupt else "ok"] for id in vars(ids).values()
    ]
    assert all(id in told.err for id in corrupt)


def test_a_part_that_is_gone(demo, ids, revsearch, broken):
    name = load(open_store(demo.store), ids.index).part("vectors").name
    told = revsearch("verify", ids.index, "--store", broken(ids.index, name, lambda data: None))
    assert told.code == 5
    assert name in told.err


def test_a_folder_without_a_card_is_unfinished(demo, ids, revsearch, broken):
    told = revsearch("verify", ids.index, "--store", broken(ids.index, "card.json", lambda data: None))
    assert told.code == 5
    assert told.err.splitlines()[-1] == "revsearch: exit=5 reason=unfinished"


def test_the_weights_of_a_trained_encoder(trained, revsearch):
    told = revsearch("verify", trained.id, "--store", trained.store)
    assert (told.code, told.out) == (0, f"{trained.id}  ok  1 parts  {len(trained.weights)} bytes\n")
    trained.weights_path.chmod(0o644)
    trained.weights_path.write_bytes(trained.weights[:-1] + b"\x01")
    told = revsearch("verify", "--store", trained.store)
    assert (told.code, told.out) == (5, f"{trained.id}  corrupt\n")

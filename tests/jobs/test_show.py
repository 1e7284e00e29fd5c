import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.ray


def test_the_card_is_shown_as_it_lies_there(demo, ids, revsearch):
    told = revsearch("show", ids.index, "--store", demo.store)
    assert (told.code, told.err) == (0, "")
    assert told.out == Path(demo.store, ids.index, "card.json").read_text() + "\n"
    assert json.loads(told.out)["facts"]["metric"] == "cosine"


@pytest.mark.parametrize("shorten", [lambda id: id, lambda id: id[:-4], lambda id: id.split("/")[1][:8]])
def test_an_id_may_be_a_unique_prefix(demo, ids, revsearch, shorten):
    for kind, id in vars(ids).items():
        assert f'"kind": "{kind}"' in revsearch("show", shorten(id), "--store", demo.store).out


def test_what_is_not_there(demo, revsearch):
    told = revsearch("show", "zzz", "--store", demo.store)
    assert (told.code, told.out) == (2, "")
    assert told.err.endswith("revsearch: exit=2 reason=missing_artifact\n")


def test_a_prefix_of_many(demo, revsearch):
    told = revsearch("show", "e", "--store", demo.store)
    assert told.code == 2
    assert "is the beginning of" in told.err


def test_one_at_a_time(demo, ids, revsearch):
    assert revsearch("show", ids.index, ids.manifest, "--store", demo.store).code == 2
    assert "ARTIFACT: required" in revsearch("show", "--store", demo.store).err


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_card_with_a_flipped_bit(demo, ids, revsearch, flipped, place):
    store = flipped(ids.rankings, "card.json", place)
    for command, out in (("show", ""), ("verify", f"{ids.rankings}  corrupt\n")):
        told = revsearch(command, ids.rankings, "--store", store)
        assert (told.code, told.out) == (5, out)
        assert "is corrupt" in told.err
        assert "run the command that made it again" in told.err


def test_a_trained_encoder(trained, revsearch):
    told = revsearch("show", "0123", "--store", trained.store)
    assert (told.code, told.json["id"], told.json["spec"]) == (0, "0123456789ab", {"preset": "triplet"})

import pytest

pytestmark = pytest.mark.ray


def test_a_line_an_artifact(demo, ids, revsearch):
    told = revsearch("ls", "--store", demo.store)
    assert (told.code, told.err) == (0, "")
    assert [line.split()[0] for line in told.out.splitlines()] == list(vars(ids).values())
    assert f"{ids.manifest}  298 in  295 ok" in told.out


def test_one_kind(demo, ids, revsearch):
    assert revsearch("ls", "index", "--store", demo.store).out == f"{ids.index}  214 in  213 ok\n"
    assert revsearch("ls", "--json", "index", "manifest", "--store", demo.store).json["lines"] == [
        f"{ids.manifest}  298 in  295 ok",
        f"{ids.index}  214 in  213 ok",
    ]


def test_a_corrupt_card_hides_no_other_artifact(demo, ids, revsearch, flipped):
    store = flipped(ids.embeddings, "card.json", 0.5)
    told = revsearch("ls", "--store", store)
    assert told.code == 5
    expected = revsearch("ls", "--store", demo.store).out.splitlines()
    assert told.out.splitlines() == [
        f"{ids.embeddings}  corrupt" if line.startswith(ids.embeddings) else line for line in expected
    ]
    assert ids.embeddings in told.err
    assert revsearch("ls", "--json", "--store", store).json["error"]["reason"] == told.err.split("reason=")[-1].strip()


def test_an_unknown_kind(demo, revsearch):
    told = revsearch("ls", "indx", "rankings", "--store", demo.store)
    assert (told.code, told.out) == (2, "")
    assert "found 'indx'; did you mean index?" in told.err


def test_the_store_may_come_from_the_environment_or_a_config_file(demo, ids, revsearch, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(f'store = "{demo.store}"\n[run]\nk = 3\n')
    expected = revsearch("ls", "--store", demo.store).out
    assert revsearch("ls", REVSEARCH_STORE=demo.store).out == expected
    assert revsearch("ls", "--config", config).out == expected
    assert revsearch("ls", "--config", config, "--store", tmp_path / "empty").out == ""


def test_an_empty_store_is_no_failure_and_is_not_made(revsearch, tmp_path):
    assert revsearch("ls", "--store", tmp_path / "none").code == 0
    assert list(tmp_path.iterdir()) == []


def test_a_trained_encoder(trained, revsearch):
    assert revsearch("ls", "encoder", "--store", trained.store).out == f"{trained.id}  10 in  9 ok\n"

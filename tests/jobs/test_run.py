"""`run`: one manifest with roles, one Embeddings of it, and what scripts read of it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from revsearch.storage.artifact import load
from revsearch.storage.card import Card, Counts
from revsearch.storage.local import LocalStore
from revsearch.storage.opening import open_store

pytestmark = pytest.mark.ray

KINDS = ("manifest", "embeddings", "index", "rankings", "evaluation")
MEMBERS = {"command", "artifact", "kind", "exit_code", "counts", "metrics", "paths", "seconds", "run"}
OFFLINE = ("--encoder", "color-histogram")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    """Three classes of plain pictures: gallery, queries of the same hues, and distractors in grey."""
    root = tmp_path_factory.mktemp("images")
    hues = {"red": (200, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 200)}
    for label, hue in hues.items():
        for number in range(4):
            shade = tuple(max(0, part - 9 * number) for part in hue)
            place = root / ("queries" if number == 3 else "gallery") / label
            place.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 30), shade).save(place / f"{label}{number}.png")
    (root / "distractors").mkdir()
    for number in range(3):
        Image.new("RGB", (40, 30), (90 + number,) * 3).save(root / "distractors" / f"grey{number}.png")
    (root / "gallery" / "notes.txt").write_text("not a picture by its name")
    return root


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def sources(folders) -> list[str]:
    return named(folders)


def named(folders: Path) -> list[str]:
    return [word for name in ("gallery", "queries", "distractors") for word in (f"--{name}", str(folders / name))]


@pytest.fixture(scope="module")
def told(revsearch, sources, store):
    return revsearch("run", *sources, *OFFLINE, "--k", 4, "--store", store, "--json", "--name", "best")


def test_the_json_object(told, folders, store):
    assert told.code == 0, told.err
    found = told.json
    assert found.keys() == MEMBERS | set(KINDS)
    assert (found["command"], found["kind"], found["exit_code"]) == ("run", "rankings", 0)
    assert found["artifact"] == found["rankings"]
    assert all(found[kind].startswith(f"{kind}/") for kind in KINDS)
    assert found["counts"] == {"in": 15, "ok": 15, "rejected": {}, "ignored": 1}
    assert all(metric.keys() == {"value", "low", "high", "n", "source"} for metric in found["metrics"].values())
    assert found["metrics"]["hit_rate_at_1"]["value"] == 1.0
    assert found["metrics"]["ap_plain"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 3, "source": "exact"}
    assert found["run"]["store"] == store
    assert Path(found["paths"]["report"]).is_file()
    assert Path(found["paths"]["artifact"], "card.json").is_file()


def test_the_accounting_of_every_stage(told, store):
    counts = {kind: load(open_store(store), told.json[kind]).card.counts for kind in KINDS}
    rows = {kind: (each.n_in, each.n_ok, each.n_ignored) for kind, each in counts.items()}
    assert rows == {
        "manifest": (15, 15, 1),
        "embeddings": (15, 15, 0),
        "index": (12, 12, 0),
        "rankings": (3, 3, 0),
        "evaluation": (3, 3, 0),
    }


def test_without_json_the_last_line_is_the_rankings_id(told, revsearch, sources, store):
    again = revsearch("run", *sources, *OFFLINE, "--k", 4, "--store", store)
    assert (again.code, again.out) == (0, f"{told.json['rankings']}\n")
    assert again.err.startswith("nothing to do: all of it was there already\n")
    assert "report: " in again.err


def test_a_copy_elsewhere_is_the_same_rankings(told, revsearch, folders, store, tmp_path):
    shutil.copytree(folders, tmp_path / "moved")
    moved = revsearch("run", *named(tmp_path / "moved"), *OFFLINE, "--k", 4, "--store", store)
    assert moved.last == told.json["rankings"]


def test_a_ref_is_taken_wherever_an_id_is(told, revsearch, store):
    assert json.loads(revsearch("show", "best", "--store", store).out)["id"] == told.json["rankings"].split("/")[1]
    assert revsearch("verify", "best", "--store", store).code == 0
    assert revsearch("evaluate", "--rankings", "best", "--store", store).last == told.json["evaluation"]


def test_a_config_file(told, revsearch, folders, store, tmp_path):
    config = tmp_path / "c.toml"
    lines = [f'{name} = "{folders / name}"' for name in ("gallery", "queries", "distractors")]
    config.write_text("\n".join([f'store = "{store}"', "[run]", 'encoder = "color-histogram"', "k = 4", *lines]))
    assert revsearch("run", "--config", config).last == told.json["rankings"]
    assert revsearch("run", "--config", config, "--k", 3).last != told.json["rankings"]


@pytest.mark.slow
def test_all_vs_all_leaves_the_query_itself_out(revsearch, folders, store):
    told = revsearch("run", "--gallery", folders / "gallery", *OFFLINE, "--store", store, "--json")
    assert told.code == 0, told.err
    assert told.json["metrics"]["hit_rate_at_1"] == {**told.json["metrics"]["hit_rate_at_1"], "value": 1.0, "n": 9}


@pytest.mark.slow
def test_without_labels_a_sample_is_shown_without_figures(revsearch, folders, store):
    told = revsearch("run", "--gallery", folders / "distractors", *OFFLINE, "--store", store, "--json")
    assert (told.code, told.json["metrics"], told.json["counts"]["ok"]) == (0, {}, 3)
    assert Path(told.json["paths"]["report"]).is_file()


def test_a_query_that_cannot_be_read_is_accounted_for(revsearch, folders, store, tmp_path):
    """Its header is sound, so that it reaches the stage that ranks as a row without a vector."""
    queries = tmp_path / "queries"
    shutil.copytree(folders / "queries", queries)
    Image.effect_noise((90, 90), 80).convert("RGB").save(tmp_path / "whole.jpg")
    data = (tmp_path / "whole.jpg").read_bytes()
    (queries / "red" / "cut.jpg").write_bytes(data[: len(data) // 2])
    told = revsearch(
        *("run", "--gallery", folders / "gallery", "--queries", queries, *OFFLINE, "--store", store, "--json")
    )
    assert (told.code, told.json["error"]["reason"]) == (3, "too_many_rejects")
    assert told.json["counts"] == {"in": 13, "ok": 12, "rejected": {"truncated": 1}, "ignored": 1}
    counts = load(open_store(store), told.json["rankings"]).card.counts
    assert (counts.n_in, counts.n_ok, dict(counts.rejected)) == (4, 3, {"truncated": 1})
    assert told.err.splitlines()[-1].startswith("revsearch: exit=3 reason=too_many_rejects artifact=embeddings/")
    assert revsearch("verify", told.json["rankings"], "--store", store).code == 0


@pytest.mark.slow
def test_a_distractor_that_is_a_gallery_picture_is_taken_out(revsearch, folders, store, tmp_path):
    distractors = tmp_path / "distractors"
    shutil.copytree(folders / "distractors", distractors)
    shutil.copy(folders / "gallery" / "red" / "red0.png", distractors)
    told = revsearch(
        *("run", "--gallery", folders / "gallery", "--queries", folders / "queries"),
        *("--distractors", distractors, *OFFLINE, "--store", store, "--json"),
    )
    assert told.code == 0
    rejected = load(open_store(store), told.json["manifest"]).card.counts.rejected
    assert rejected == {"duplicate_of_gallery": 1}


def test_dry_run_writes_nothing(revsearch, sources, tmp_path):
    told = revsearch("run", *sources, *OFFLINE, "--store", tmp_path / "new", "--dry-run", "--json")
    assert (told.code, told.json["plan"]["rows"], told.json["artifact"]) == (0, 15, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--gallery", "/no/such/folder", *OFFLINE], "/no/such/folder: no such folder or list"),
        (["--encoder", "color-histgram"], "did you mean color-histogram?"),
        (["--encoder", "resnet50:random-0@x.pth"], "takes no file"),
        (["--encoder", "mobilenet_v2:IMAGENET1K_V1@/no/such.pth"], "expected a weights file after the @"),
        ([*OFFLINE, "--truth", "/no/such.csv"], "--truth /no/such.csv: expected a .jsonl or .csv file"),
        ([*OFFLINE, "--name", "../x"], "--name: expected letters, digits"),
        ([*OFFLINE, "--k", "0"], "--k: expected at least 1, found 0"),
        ([*OFFLINE, "--galery", "x"], "unknown option --galery; did you mean --gallery?"),
        ([*OFFLINE, "--metric", "cosin"], "did you mean cosine?"),
    ],
)
def test_what_cannot_be_done_is_told_before_any_work(revsearch, folders, tmp_path, arguments, said):
    told = revsearch("run", "--gallery", folders / "gallery", *arguments, "--store", tmp_path / "new")
    assert (told.code, told.out) == (2, "")
    assert said in told.err
    assert told.err.endswith("revsearch: exit=2 reason=usage\n")
    assert list(tmp_path.rglob("card.json")) == []


def test_an_empty_folder_is_never_an_empty_index(revsearch, tmp_path):
    (tmp_path / "empty").mkdir()
    told = revsearch("run", "--gallery", tmp_path / "empty", *OFFLINE, "--store", tmp_path / "store")
    assert told.code == 2
    assert "expected images, found none" in told.err
    (tmp_path / "empty" / "page.jpg").write_text("<html>")
    told = revsearch("run", "--gallery", tmp_path / "empty", *OFFLINE, "--store", tmp_path / "store")
    assert told.code == 2
    assert "all 1 files are rejected: 1 not_an_image" in told.err


def test_two_results_under_one_name_are_a_conflict(told, revsearch, store, monkeypatch):
    """Somebody else commits the evaluation while we make it, and accounts for the rows in another way."""

    def lose(self: LocalStore, key: str, data: bytes) -> bool:
        ours = Card.from_bytes(data, key)
        theirs = replace(ours, counts=Counts(ours.counts.n_in + 1, ours.counts.n_ok + 1))
        self.write(key, theirs.to_bytes())
        return False

    monkeypatch.setattr(LocalStore, "create_if_absent", lose)
    ended = revsearch("evaluate", "--rankings", "best", "--seed", 7, "--store", store)
    assert (ended.code, ended.out) == (6, "")
    assert ended.err.splitlines()[-1] == "revsearch: exit=6 reason=conflict"


def test_a_query_that_is_no_picture_is_a_rejected_query(revsearch, folders, store, tmp_path):
    shutil.copytree(folders / "queries", tmp_path / "queries")
    (tmp_path / "queries" / "red" / "page.jpg").write_text("<html>not a picture</html>")
    arguments = ("--gallery", folders / "gallery", "--queries", tmp_path / "queries", *OFFLINE, "--store", store)
    found = revsearch("run", *arguments, "--json", "--max-reject-rate", 1)
    assert found.json["counts"] == {"in": 13, "ok": 12, "rejected": {"not_an_image": 1}, "ignored": 1}
    opened = open_store(store)
    counts = load(opened, found.json["rankings"]).card.counts
    assert (counts.n_in, counts.n_ok, dict(counts.rejected)) == (4, 3, {"not_an_image": 1})
    evaluation = load(opened, found.json["evaluation"])
    judged = json.loads(opened.read(f"{evaluation}/{evaluation.part('evaluation').name}"))
    assert judged["counts"]["n_rejected_queries"] == 1


@pytest.mark.slow
def test_a_rejected_view_does_not_shift_the_objects_of_ukbench(revsearch, store, tmp_path):
    """Four views of an object are four names in order, whatever became of the files."""
    for number in range(12):
        hue = [(220, 30, 30), (30, 220, 30), (30, 30, 220)][number // 4]
        Image.new("RGB", (40, 30), tuple(part - number for part in hue)).save(tmp_path / f"view{number:02}.png")
    (tmp_path / "view01.png").write_bytes(b"")
    arguments = ("--gallery", tmp_path, *OFFLINE, "--protocol", "ukbench", "--store", store, "--json")
    found = revsearch("run", *arguments, "--max-reject-rate", 1)
    # three views of the first object are left, four of the others: (3 x 3 + 8 x 4) / 11
    assert found.json["metrics"]["ns4_self_in"]["value"] == pytest.approx(41 / 11)


def test_the_same_files_behind_links_are_embedded(revsearch, folders, store, tmp_path):
    for path in (folders / "gallery").rglob("*.png"):
        link = tmp_path / "links" / path.relative_to(folders / "gallery")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    plain = revsearch("manifest", folders / "gallery", "--store", store)
    linked = revsearch("manifest", tmp_path / "links", "--follow-symlinks", "--store", store)
    assert linked.last == plain.last
    arguments = ("--manifest", linked.last, "--encoder", "color-histogram", "--store-dtype", "float16")
    found = revsearch("embed", *arguments, "--store", store, "--json")
    assert found.json["counts"]["rejected"] == {}


def test_retry_refuses_another_encoder(revsearch, told, store):
    embeddings, manifest = told.json["embeddings"], told.json["manifest"]
    arguments = ("--manifest", manifest, "--encoder", "squeezenet1_1:random-0", "--retry", embeddings)
    found = revsearch("embed", *arguments, "--store", store)
    assert found.code == 2
    assert "space_fingerprint" in found.err

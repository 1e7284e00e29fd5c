"""Hostile files and hostile names through the commands: nothing dies, everything is accounted for and found again."""

import csv
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from revsearch.rejects import Reason
from revsearch.storage.artifact import load
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.names import decode_id, encode_id
from revsearch.storage.opening import open_store
from revsearch.storage.rank_lists import StoredRankings
from revsearch.storage.reject_table import read_rejects
from tests.hostile_files import MADE, READABLE

pytestmark = pytest.mark.ray

KINDS = ("manifest", "embeddings", "index", "rankings", "evaluation")


@pytest.fixture(scope="module")
def hostile(shared_data, revsearch, tmp_path_factory):
    """Run everything on the hostile collection: what was told, and the store."""
    store = str(tmp_path_factory.mktemp("hostile"))
    sources = ("--gallery", shared_data / "hostile", "--encoder", "color-histogram")
    return revsearch("run", *sources, "--store", store, "--json"), open_store(store)


@pytest.mark.data
def test_the_work_is_committed_and_the_verdict_is_3(hostile):
    told, store = hostile
    assert told.code == 3
    assert told.err.splitlines()[-1].startswith("revsearch: exit=3 reason=too_many_rejects artifact=manifest/")
    assert Path(told.json["paths"]["report"]).stat().st_size > 1000
    counts = {kind: load(store, told.json[kind]).card.counts for kind in KINDS}
    assert all(each.n_in == each.n_ok + sum(each.rejected.values()) for each in counts.values())
    assert counts["manifest"].n_in == 891
    assert counts["manifest"].n_ok == counts["embeddings"].n_in == counts["index"].n_in
    assert counts["embeddings"].n_ok == counts["index"].n_ok


@pytest.mark.data
def test_nothing_but_our_own_lines_on_stderr(hostile):
    told, _ = hostile
    ours = r"(revsearch|manifest|embed|rank|evaluate|report|(manifest|embeddings|index|rankings|evaluation)/\w{12}): .*"
    strays = [line for line in told.err.splitlines() if not re.fullmatch(f"{ours}|starting Ray .*|no lists .*", line)]
    assert strays == []


@pytest.fixture(scope="module")
def outcomes(hostile) -> dict[str, str]:
    """What became of each file: `ok`, or the reason it was rejected for."""
    told, store = hostile
    manifest, embeddings = load(store, told.json["manifest"]), load(store, told.json["embeddings"])
    rejects = [*read_rejects(store, manifest), *read_rejects(store, embeddings)]
    reasons = {reject.id: str(reject.reason) for reject in rejects}
    assert len(reasons) == len(rejects), "a file was rejected twice"
    return {id: reasons.get(id, "ok") for id in {*reasons, *StoredManifest(store, manifest).strings("id")}}


@pytest.mark.data
def test_every_file_ends_once_and_for_a_reason_of_the_enum(outcomes, shared_data):
    assert set(outcomes) == {path.name for path in (shared_data / "hostile").iterdir()}
    assert set(outcomes.values()) <= {"ok", *Reason}


@pytest.mark.data
def test_outcomes_agree_with_what_pillow_makes_of_the_files(outcomes, shared_data):
    with (shared_data / "hostile_manifest.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    for row in rows:
        found = outcomes[row["file"]]
        if row["format"] and row["format"] not in READABLE:
            assert found == "unsupported_format", row
        elif row["load_ok"] == "1" and row["format"]:
            shorter, longer = sorted((int(row["width"]), int(row["height"])))
            extreme = longer > 50 * shorter or longer > 20_000
            assert found == "ok" or extreme, row
    assert len(rows) == 891


@pytest.mark.data
def test_made_files_end_as_the_table_says(outcomes):
    made = {name: found for name, found in outcomes.items() if name.startswith("made_")}
    assert made == {name: MADE.get(name, "ok") for name in made}
    assert set(MADE) < set(made)


NAMES = [
    "emoji 🦊👩‍🚀.png",
    "nfc \u00e9.png",
    "nfd e\u0301.png",
    "rtl \u202egnp.exe.png",
    "new\nline.png",
    "carriage\rreturn.png",
    "tab\there.png",
    "quotes ' \" `.png",
    "<script>alert(1)<",
    "<img src=x onerror=alert(1)>.png",
    "=cmd().png",
    "+1.png",
    "@sum.png",
    "-rf",
    "--json",
    "%2e%2e.png",
    "100%.png",
    "%FF.png",
    "back\\slash.png",
    "semi;colon, comma.png",
    "{{ 7*7 }}.png",
    "__proto__",
    "1e308",
    " leading and trailing ",
    "\x1b[31mred.png",
    "CON",
    "x" * 251 + ".png",
]
RAW_NAMES = [b"not utf-8 \xff\xfe.png", b"latin1 caf\xe9.png"]


@pytest.fixture(scope="module")
def named(revsearch, tmp_path_factory):
    """Run everything on a folder of hostile names below hostile labels: what was told, the store, and the names."""
    root = tmp_path_factory.mktemp("names")
    whole, names = root / "whole.png", [*map(os.fsencode, NAMES), *RAW_NAMES]
    rng = np.random.default_rng(0)
    gallery = root / "gallery"
    ids = []
    for number, name in enumerate(names):
        label = (b"<script>", b"=cmd()", b"-x\ny")[number % 3]
        folder = os.path.join(os.fsencode(gallery), label)  # noqa: PTH118  # names that are no text
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103  # as above
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).save(whole)
        shutil.copyfile(whole, os.path.join(folder, name))  # noqa: PTH118  # as above
        ids.append(encode_id(label + b"/" + name))
    store = str(root / "store")
    told = revsearch("run", "--gallery", gallery, "--encoder", "color-histogram", "--store", store, "--json", "--k", 40)
    return told, open_store(store), ids


def test_every_name_is_indexed_and_found_again(named):
    told, store, ids = named
    assert told.code == 0, told.err
    assert sorted(StoredManifest(store, load(store, told.json["manifest"])).strings("id")) == sorted(ids)
    _, rankings = StoredRankings.of(store, load(store, told.json["rankings"])).whole()
    assert sorted(rankings.query_ids) == sorted(ids)
    for query, found, _ in rankings:
        assert sorted([query, *found]) == sorted(ids)
    assert all(encode_id(decode_id(id)) == id for id in ids)


def test_every_file_is_a_query_by_its_own_name(named, revsearch, tmp_path):
    """Names of the shell's choosing, after `--`, find themselves first."""
    told, store, ids = named
    root = Path(store.uri).parent / "gallery"
    files = [os.path.join(os.fsencode(root), decode_id(id)) for id in ids]  # noqa: PTH118  # names that are no text
    found = revsearch(
        *("rank", "--index", told.json["index"], "--k", 1, "--store", store.uri, "--json"),
        *("--", *map(os.fsdecode, files)),
    )
    assert found.code == 0, found.err
    lines = found.json["lines"]
    assert len(lines) == 2 * len(ids)
    assert [line[17:] for line in lines[1::2]] == ids


def test_lines_stay_lines(named, revsearch):
    told, store, _ = named
    folder = Path(store.uri).parent / "gallery"
    for arguments in (("rank", "--index", told.json["index"], "a\nb\x1b[31m.jpg"), ("run", "--gallery", "no\nsuch\r")):
        found = revsearch(*arguments, "--store", store.uri)
        assert found.code == 2
        assert all(line.startswith("revsearch: ") for line in found.err.splitlines())
        assert not set(found.err) & set("\r\x1b")
    photos = [str(path) for path in folder.rglob("*line.png")]
    shown = revsearch("rank", "--index", told.json["index"], "--k", 3, *photos, "--store", store.uri).out
    assert len(shown.split("\n")) == 1 + 3 + 1


class Page(HTMLParser):
    """Collects what a page does, as a browser would read it."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.handlers, self.sources, self.policy = 0, [], [], ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.scripts += tag == "script"
        self.handlers += [name for name in given if name.startswith("on")]
        self.sources += [given[name] for name in ("src", "href") if given.get(name)]
        if tag == "meta" and given.get("http-equiv", "").lower() == "content-security-policy":
            self.policy = given["content"]


def test_the_page_runs_nothing_and_loads_nothing(named):
    told, _, _ = named
    page = Page()
    page.feed(Path(told.json["paths"]["report"]).read_text(encoding="utf-8"))
    assert (page.scripts, page.handlers) == (0, [])
    assert "default-src 'none'" in page.policy
    assert all(source.startswith(("data:image/", "#")) for source in page.sources)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on the PATH")
def test_the_page_opens_in_a_browser(named, tmp_path):
    told, _, _ = named
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    done = subprocess.run([*command, Path(told.json["paths"]["report"]).as_uri()], capture_output=True, timeout=90)
    dom = done.stdout.decode()
    assert done.returncode == 0
    assert "hit_rate_at_1" in dom
    assert not re.search(r"<script|<img[^>]*onerror", dom)


def test_export_escapes_what_a_spreadsheet_would_run(named, revsearch, tmp_path):
    told, store, ids = named
    assert revsearch("export", told.json["embeddings"], "--out", tmp_path / "out", "--store", store.uri).code == 0
    assert [json.loads(line) for line in (tmp_path / "out" / "ids.jsonl").read_text().splitlines()] == sorted(ids)
    (table,) = Path(store.uri, told.json["evaluation"]).glob("classes-*.csv")
    with table.open(newline="") as lines:
        cells = [cell for row in csv.reader(lines) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"ur,label\na.png,x\n", "expected a column uri"),
        (b"uri,label\na.png\n", "line 2: expected 2 fields as in the header, found 1"),
        (b'uri,label\n"a.png,x\n', "line 2: broken quotes"),
        (b"uri\n", "found nothing in it"),
        (b"id,uri\n1,a.png\n1,b.png\n", "found twice: '1' (lines 2 and 3)"),
        (b"uri\n\xe9.png\n", "not UTF-8 at byte 4"),
    ],
)
def test_a_bad_list_is_a_usage_error_before_any_work(revsearch, tmp_path, text, said):
    listing = tmp_path / "list.csv"
    listing.write_bytes(text)
    told = revsearch("manifest", listing, "--store", tmp_path / "store")
    assert (told.code, told.out) == (2, "")
    assert said in told.err.splitlines()[0]
    assert told.err.endswith("revsearch: exit=2 reason=usage\n")


def test_a_list_with_locations_outside_its_root(revsearch, tmp_path):
    (tmp_path / "root").mkdir()
    for place in (tmp_path / "secret.png", tmp_path / "root" / "a.png"):
        Image.new("RGB", (9, 9), "red").save(place)
    listing = tmp_path / "root" / "list.csv"
    listing.write_text(f"uri\r\na.png\r\n../secret.png\r\n{tmp_path}/secret.png\r\nfile:///etc/passwd\r\n", "utf-8-sig")
    told = revsearch("manifest", listing, "--store", tmp_path / "store", "--json")
    assert told.code == 3
    assert told.json["counts"] == {"in": 4, "ok": 1, "rejected": {"outside_root": 3}, "ignored": 0}

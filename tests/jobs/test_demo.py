"""The demo: what a new user tries first."""

import re

import pytest

from revsearch.storage.artifact import load
from revsearch.storage.opening import open_store

pytestmark = pytest.mark.ray

FIRST_SECONDS = 150  # a promise of 60 on two quiet cores; a busy machine gets more
AGAIN_SECONDS = 10  # of CPU or wall time, whichever the machine gives


def test_it_ends_well_and_prints_the_page_last(demo):
    assert demo.told.returncode == 0, demo.told.stderr
    assert demo.told.stdout == f"{demo.folder / 'report.html'}\n"
    assert (demo.folder / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert demo.seconds < FIRST_SECONDS


def test_stderr_is_short_and_ours(demo):
    """Progress, the accounting, the key figures, where to look: nothing that a library has to say."""
    lines = [
        r"starting Ray on this machine, which takes some seconds",
        r"(manifest|embed|rank|evaluate): \d+ of \d+, \d+ rejected(, [\d.e+]+ images/s, (done|\d+ s left))?",
        r"(manifest|embeddings|index|rankings|evaluation)/[0-9a-f]{12}: \d+ in, \d+ ok, \d+ rejected( \(.*\))?",
        r"(hit_rate_at_(1|5|10)|precision_at_10|ap_plain): \d\.\d{4} \(\d\.\d{4} to \d\.\d{4}\)",
        r"\d+ more figures: on the report page, and with --json",
        r"(images|store): .*",
    ]
    told = demo.told.stderr.splitlines()
    assert [line for line in told if not any(re.fullmatch(pattern, line) for pattern in lines)] == []
    assert len(told) < 25


def test_enough_images_and_every_bad_file_is_accounted_for(demo, ids):
    store = open_store(demo.store)
    manifest, embeddings = load(store, ids.manifest).card.counts, load(store, ids.embeddings).card.counts
    assert manifest.n_ok >= 200
    assert manifest.n_in == sum(path.is_file() for path in demo.images.rglob("*"))
    assert manifest.rejected == {"empty": 1, "not_an_image": 1, "too_many_pixels": 1}
    assert embeddings.rejected == {"truncated": 1}
    assert load(store, ids.index).card.counts.rejected == {"truncated": 1}


def test_the_second_time_there_is_nothing_to_do(demo, ids, revsearch):
    told = revsearch("demo", "--out", demo.folder, "--json")
    assert told.code == 0
    assert told.err.startswith("nothing to do: all of it was there already\n")
    assert told.json["run"]["seconds"] < AGAIN_SECONDS
    assert told.json["paths"] == {
        "result": str(demo.folder / "report.html"),
        "images": str(demo.images),
        "store": demo.store,
    }
    assert [told.json[kind] for kind in vars(ids)] == list(vars(ids).values())


def test_it_keeps_its_own_store_and_takes_no_other(revsearch, tmp_path):
    told = revsearch("demo", "--store", tmp_path)
    assert (told.code, told.out) == (2, "")
    assert "unknown option --store" in told.err

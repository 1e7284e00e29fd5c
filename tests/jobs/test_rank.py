"""`rank`: of image files at once and without Ray, of folders and embeddings as artifacts."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.ray

WITHOUT_RAY = """
import sys
from jobs.rank import COMMAND
from jobs.launch import execute
code = execute(COMMAND, sys.argv[1:])
sys.stderr.write(f"ray {sys.modules['ray'].is_initialized()}" if "ray" in sys.modules else "ray False")
sys.exit(code)
"""
LIST_SECONDS = 20  # a promise of 5 on a quiet machine


def files(folder: str) -> set[Path]:
    return set(Path(folder).rglob("*"))


def test_a_photo_gives_the_list_commits_nothing_and_starts_no_ray(demo, ids, photo):
    before, began = files(demo.store), time.perf_counter()
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_RAY, "--index", ids.index, photo, "--k", "3", "--store", demo.store],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    assert (told.returncode, told.stderr) == (0, "ray False")
    name, *places = told.stdout.splitlines()
    assert name == photo
    assert [place.split()[0] for place in places] == ["1", "2", "3"]
    scores = [float(place.split()[1]) for place in places]
    assert scores == sorted(scores, reverse=True)
    assert all((demo.images / place.split()[2]).is_file() for place in places)
    assert files(demo.store) == before
    assert seconds < LIST_SECONDS


def test_the_list_is_the_one_that_run_gave(demo, ids, photo, revsearch):
    """The same query, embedded by `run` in a batch of others and here alone."""
    told = revsearch("rank", "--index", ids.index, photo, "--store", demo.store)
    found = [line.split()[-1] for line in told.out.splitlines()[1:]]
    lists = next(Path(demo.store, ids.rankings).glob("lists-*.json"))
    assert json.loads(lists.read_text())[Path(photo).name] == [name.split("/")[-1] for name in found]


def test_many_photos_and_a_gallery_smaller_than_k(demo, ids, photo, revsearch):
    *_, other = sorted(demo.images.glob("query/*/*"))
    told = revsearch("rank", "--index", ids.index, photo, other, photo, "--k", 1000, "--store", demo.store, "--json")
    endless = revsearch("rank", "--index", ids.index, photo, other, "--k", 10**9, "--store", demo.store, "--json")
    assert endless.json["lines"] == (lines := told.json["lines"])
    assert (len(lines), lines[0], lines[1 + 213]) == (2 * (1 + 213), photo, str(other))
    assert (told.json["artifact"], told.json["exit_code"]) == (None, 0)


def test_a_folder_is_embedded_and_ranked(store, ids, photo, revsearch):
    folder = Path(photo).parent
    told = revsearch("rank", "--index", ids.index, folder, "--k", 2, "--store", store, "--json", "--name", "last")
    assert told.code == 0
    assert told.json["counts"]["in"] == len(list(folder.iterdir()))
    assert {"manifest", "embeddings"} <= told.json.keys()
    again = revsearch("rank", "--index", ids.index, folder, "--k", 2, "--store", store)
    assert again.last == told.json["artifact"]
    assert again.err.startswith("nothing to do")
    assert f'"id": "{told.json["artifact"].split("/")[1]}"' in revsearch("show", "last", "--store", store).out


def test_embeddings_by_prefix(demo, ids, revsearch):
    told = revsearch("rank", "--index", ids.index[:-3], ids.embeddings[:-3], "--store", demo.store)
    assert (told.code, told.last) == (0, ids.rankings)


@pytest.mark.parametrize(
    ("queries", "code", "said"),
    [
        (["a" * 300], 2, "no file or folder 'aaa"),
        (["a" * 300, "b.jpg"], 2, "no such file: 'aaa"),
        (["nope.jpg"], 2, "no file or folder 'nope.jpg', and no embeddings 'nope.jpg' in "),
        (["{photo}", "nope.jpg"], 2, "no such file: 'nope.jpg'"),
        (["{photo}", "{folder}"], 2, "expected image files, one folder, or one embeddings id"),
        (["{index}"], 2, "expected an artifact of kind embeddings, found index/"),
        (["{empty}"], 2, "empty.jpg: expected a picture, found empty"),
        (["{photo}", "--name", "best"], 2, "--name: ranking image files makes no artifact"),
        (["{photo}", "--k", "0"], 2, "--k: expected at least 1, found 0"),
    ],
)
def test_bad_queries(demo, ids, photo, revsearch, queries, code, said):
    places = {"photo": photo, "folder": Path(photo).parent, "index": ids.index,
              "empty": next(demo.images.rglob("broken-empty.jpg"))}  # fmt: skip
    told = revsearch("rank", "--index", ids.index, *(each.format(**places) for each in queries), "--store", demo.store)
    assert (told.code, told.out) == (code, "")
    assert said in told.err


def test_an_index_that_is_none(demo, ids, photo, revsearch):
    told = revsearch("rank", "--index", "nope", photo, "--store", demo.store)
    assert told.code == 2
    assert "no index 'nope'" in told.err
    told = revsearch("rank", "--index", ids.embeddings, photo, "--store", demo.store)
    assert told.code == 2
    assert f"expected an artifact of kind index, found {ids.embeddings}" in told.err


def test_a_flipped_bit_is_no_answer(demo, ids, photo, revsearch, flipped):
    name = next(path.name for path in Path(demo.store, ids.index).glob("vectors-*"))
    told = revsearch("rank", "--index", ids.index, photo, "--store", flipped(ids.index, name, 0.5))
    assert (told.code, told.out) == (5, "")
    assert told.err.splitlines()[-1].startswith("revsearch: exit=5 reason=checksum")


def test_dry_run_writes_nothing(demo, ids, photo, revsearch):
    before, folder = files(demo.store), Path(photo).parent
    for query, rows in ((photo, 1), (folder, len(list(folder.iterdir()))), (ids.embeddings, 81)):
        told = revsearch("rank", "--index", ids.index, query, "--k", 5, "--store", demo.store, "--dry-run")
        assert (told.code, told.out.splitlines()[0]) == (0, f"rows: {rows}")
    assert files(demo.store) == before

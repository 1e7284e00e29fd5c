import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.ray


def lists(demo, ids) -> dict[str, list[str]]:
    return json.loads(next(Path(demo.store, ids.rankings).glob("lists-*.json")).read_text())


def test_a_truth_file(demo, store, ids, revsearch, tmp_path):
    """Figures recomputed from the lists: a query's right answer is what its list has first, third, or nowhere."""
    folders = {path.name: path.relative_to(demo.images).as_posix() for path in demo.images.glob("*/*/*")}
    folders |= {path.name: path.relative_to(demo.images).as_posix() for path in demo.images.glob("distractor/*")}
    found = sorted(lists(demo, ids).items())[:4]
    elsewhere = min({name for _, names in found for name in names} - set(found[3][1]))
    relevant = [found[0][1][0], found[1][1][0], found[2][1][2], elsewhere]
    truth = tmp_path / "truth.csv"
    rows = [f"{folders[query]},{folders[right]}\n" for (query, _), right in zip(found, relevant, strict=True)]
    truth.write_text("query,relevant\n" + "".join(rows))
    told = revsearch("evaluate", "--rankings", ids.rankings, "--truth", truth, "--store", store, "--json")
    assert told.code == 0, told.err
    metrics = told.json["metrics"]
    assert metrics["hit_rate_at_1"] == {**metrics["hit_rate_at_1"], "value": 0.5, "n": 4, "source": "served"}
    assert metrics["hit_rate_at_3"]["value"] == metrics["hit_rate_at_10"]["value"] == 0.75
    assert Path(told.json["paths"]["report"]).is_file()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "line 1: expected a column 'query'"),
        ("query,relevant\nno-such.jpg,neither.jpg\n", "no-such.jpg"),
        ("", "truth.csv"),
    ],
)
def test_a_bad_truth_file_is_named(demo, ids, revsearch, tmp_path, text, said):
    truth = tmp_path / "truth.csv"
    truth.write_text(text)
    told = revsearch("evaluate", "--rankings", ids.rankings, "--truth", truth, "--store", demo.store)
    assert (told.code, told.out) == (2, "")
    assert said in told.err


def test_the_page_holds_the_figures_that_are_told(store, ids, revsearch):
    told = revsearch("evaluate", "--rankings", ids.rankings, "--store", store, "--name", "tonight")
    assert (told.code, told.last) == (0, ids.evaluation)
    (shown,) = [line for line in told.err.splitlines() if line.startswith("hit_rate_at_1: ")]
    (page,) = [line.removeprefix("report: ") for line in told.err.splitlines() if line.startswith("report: ")]
    assert shown.split()[1].lstrip("0").rstrip("0") in Path(page).read_text()
    assert f"{ids.evaluation}  81 in  81 ok  tonight\n" in revsearch("ls", "evaluation", "--store", store).out


def test_another_kind_of_artifact(demo, ids, revsearch):
    told = revsearch("evaluate", "--rankings", ids.index, "--store", demo.store)
    assert told.code == 2
    assert f"expected an artifact of kind rankings, found {ids.index}" in told.err

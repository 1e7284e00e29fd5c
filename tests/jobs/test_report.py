import json
from pathlib import Path

import pytest

from jobs.command import Outcome, Plan
from jobs.report import Ending, as_json, committed, plan_lines, result_line, summary, verdict
from revsearch.specs import Resources
from revsearch.storage.artifact import Artifact
from revsearch.storage.card import Card, Counts


def artifact(
    n_ok: int, rejected: dict[str, int] | None = None, *, kind="embeddings", id="0123456789ab", ignored=0, fresh=True
):
    counts = Counts(n_ok + sum((rejected or {}).values()), n_ok, rejected or {}, ignored)
    card = Card(kind=kind, id=id, spec={}, inputs={}, counts=counts, parts=(), seconds={"embed": 1.5})
    return Artifact(card, f"store/{kind}/{id}", fresh=fresh)


@pytest.mark.parametrize(
    ("n_ok", "rejected", "limit", "code"),
    [
        (100, {}, 0.0, 0),
        (95, {"corrupt": 5}, 0.05, 0),
        (94, {"corrupt": 6}, 0.05, 3),
        (50, {"duplicate_of_gallery": 50}, 0.05, 0),
        (49, {"duplicate_of_gallery": 45, "empty": 6}, 0.05, 3),
        (0, {"empty": 2}, 1.0, 0),
        (0, {}, 0.0, 0),
    ],
)
def test_the_verdict_comes_from_the_card_and_todays_limit(n_ok, rejected, limit, code):
    ending = verdict(Outcome(artifact(n_ok, rejected)), limit)
    assert ending.code == code
    if code:
        assert ending.last_line == "revsearch: exit=3 reason=too_many_rejects artifact=embeddings/0123456789ab"
        assert "empty" in ending.problems[0] or "corrupt" in ending.problems[0]


def test_every_artifact_of_a_chain_is_judged():
    bad, good = artifact(1, {"empty": 1}), artifact(1, kind="rankings", id="ba9876543210")
    ending = verdict(Outcome(good, artifacts=(bad, good)), 0.05)
    assert (ending.code, ending.artifact) == (3, "embeddings/0123456789ab")
    assert committed(Outcome(good, artifacts=(bad, good))) == [bad, good]


def test_result_line():
    assert result_line(Outcome(artifact(1))) == "embeddings/0123456789ab"
    assert result_line(Outcome(path=Path("out/demo"))) == "out/demo"
    assert result_line(Outcome(lines=("a",))) is None


def test_the_json_object_of_an_artifact():
    metric = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9, "source": "served"}
    outcome = Outcome(
        artifact(8, {"empty": 1}, ignored=2),
        related={"manifest": "manifest/0"},
        metrics={"mAP": metric},
        paths={"report": "r.html"},
    )
    assert json.loads(json.dumps(as_json("embed", outcome, Ending(), {"store": "s"}))) == {
        "command": "embed",
        "artifact": "embeddings/0123456789ab",
        "kind": "embeddings",
        "exit_code": 0,
        "counts": {"in": 9, "ok": 8, "rejected": {"empty": 1}, "ignored": 2},
        "metrics": {"mAP": metric},
        "paths": {"report": "r.html", "artifact": "store/embeddings/0123456789ab"},
        "seconds": {"embed": 1.5},
        "run": {"store": "s"},
        "manifest": "manifest/0",
    }


def test_the_json_object_of_a_failure():
    told = as_json("embed", Outcome(), Ending(2, "usage", ("a", "b\x1b at s3://k:s@h/x")), {})
    assert (told["exit_code"], told["artifact"], told["kind"]) == (2, None, None)
    assert told["counts"] == {"in": 0, "ok": 0, "rejected": {}, "ignored": 0}
    assert told["error"] == {"reason": "usage", "message": "a\nb\\x1b at s3://***@h/x"}


def test_the_json_object_has_lines_and_plan_where_there_are_some():
    told = as_json("rank", Outcome(lines=("a",)), Ending(), {}, Plan(1, None, 2, Resources()))
    assert told["lines"] == ["a"]
    assert (told["plan"]["rows"], told["plan"]["parts"], told["plan"]["resources"]["batch_size"]) == (1, None, 32)


def test_the_summary_for_people():
    outcome = Outcome(
        artifact(7, {"empty": 2, "corrupt": 1}, ignored=4),
        metrics={
            "recall_at_1": {"value": 0.1, "low": 0.1, "high": 0.1},
            "ap_plain": {"value": 1.0, "low": None, "high": None},
            "hit_rate_at_1": {"value": 0.5, "low": 0.4, "high": 0.6},
            "r_precision": {"value": 0.1, "low": 0.1, "high": 0.1},
        },
        paths={"report": "r.html"},
    )
    assert list(summary(outcome)) == [
        "embeddings/0123456789ab: 10 in, 7 ok, 3 rejected (empty 2, corrupt 1), 4 ignored",
        "hit_rate_at_1: 0.5000 (0.4000 to 0.6000)",
        "ap_plain: 1.0000",
        "2 more figures: on the report page, and with --json",
        "report: r.html",
    ]


def test_a_run_that_found_everything_says_so():
    found, made = artifact(1, fresh=False), artifact(1, kind="rankings", id="ba9876543210")
    assert next(summary(Outcome(found))) == "nothing to do: all of it was there already"
    assert next(summary(Outcome(made, artifacts=(found, made)))).startswith("embeddings/0123456789ab: ")
    assert list(summary(Outcome(lines=("a",)))) == []


def test_the_plan_for_people():
    lines = list(plan_lines(Plan(10, None, 3 * 2**20, Resources(), "about")))
    assert lines[:3] == ["rows: 10", "parts: not known beforehand", "bytes: 3145728 (3.0 MiB)"]
    assert "batch_size 32" in lines[3]
    assert lines[4] == "note: about"

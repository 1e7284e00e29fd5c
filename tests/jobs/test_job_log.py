"""What is read from a log is what commands write: most logs here are written by one."""

import json
import logging
import sys

import pytest

from jobs.job_log import JobLog, is_last_line, report_of
from jobs.launch import Command, Job, Outcome, execute
from revsearch.errors import Conflict
from revsearch.storage.artifact import Artifact
from revsearch.storage.card import Card, Counts
from tests.jobs.test_launch import Spec

ID = "rankings/0123456789ab"
RAY = (
    "2026-01-02 03:04:05,678\tINFO job_manager.py:581 -- Runtime env is setting up.\nRunning entrypoint for job x: y\n"
)


@pytest.fixture
def log(capfd, monkeypatch):
    """Run a command as a job does: stdout and stderr in one file."""

    def run(does, *arguments: str) -> str:
        monkeypatch.setattr(sys, "stdout", sys.stderr)

        def run(spec: Spec, job: Job) -> Outcome:
            return does()

        execute(Command(spec=Spec, run=run), arguments)
        return RAY + capfd.readouterr().err

    return run


def made(n_ok: int = 10) -> Outcome:
    counts = Counts(10, n_ok, {"empty": 10 - n_ok} if n_ok < 10 else {})
    return Outcome(Artifact(Card("rankings", "0123456789ab", {}, {}, counts, ()), "s/" + ID, fresh=True))


def progress(done: int) -> None:
    extra = {"step": "embed", "unit": "images", "done": done, "total": 1000, "rejected": 2}
    logging.getLogger("revsearch.progress").info("", extra=extra)


def test_what_went_well(log):
    read = JobLog.of(log(made, "--json"))
    assert (read.artifact, read.reason, read.report["exit_code"]) == (ID, "", 0)
    assert f"{ID}: 10 in, 10 ok, 0 rejected" in read.lines
    assert not any(line.startswith("{") for line in read.lines)


def test_a_verdict(log):
    read = JobLog.of(log(lambda: made(5), "--json"))
    assert (read.artifact, read.reason, read.report["exit_code"]) == (ID, "too_many_rejects", 3)


@pytest.mark.parametrize(("outcome", "reason"), [(made, ""), (lambda: made(5), "too_many_rejects")])
def test_without_json_there_are_the_last_lines(log, outcome, reason):
    read = JobLog.of(log(outcome))
    assert (read.artifact, read.reason, read.report) == (ID, reason, {})


def test_an_error(log):
    def fail() -> Outcome:
        raise Conflict("lost")

    read = JobLog.of(log(fail, "--json"))
    assert (read.artifact, read.reason) == ("", "conflict")
    assert read.report["error"] == {"reason": "conflict", "message": "lost"}


def test_progress_is_the_latest_line_of_it(log):
    def work() -> Outcome:
        progress(10)
        progress(1000)
        logging.getLogger("revsearch").info("report: 3 of nothing")
        return made()

    assert JobLog.of(log(work)).progress.startswith("embed: 1000 of 1000, 2 rejected, ")


@pytest.mark.parametrize("text", ["", RAY, RAY + "embeddings/01234567"])
def test_a_log_that_has_just_begun(text):
    assert JobLog.of(text) == JobLog(lines=tuple(text.splitlines()))


@pytest.mark.parametrize("line", ["{", "{}", '{"command": "x"}', "[1]", " {}", '{"a": ' + "[" * 9999])
def test_what_is_no_report(line):
    assert report_of(line) is None


def test_the_last_report_counts():
    lines = [json.dumps({"command": "x", "artifact": id, "exit_code": 0}) for id in ("a/1", "a/2")]
    assert JobLog.of("\n".join(lines)).artifact == "a/2"


def test_last_lines():
    assert is_last_line("revsearch: exit=3 reason=too_many_rejects artifact=a/b")
    assert is_last_line("revsearch: exit=130 reason=interrupted")
    assert not is_last_line("revsearch: exit=3 reason=x and more")

import json
import signal

import pytest

from jobs.job_ending import ending_of_job, left_running, outcome_of
from jobs.job_log import JobLog
from jobs.report import as_json, plan_lines, result_line
from revsearch.specs import Plan, Resources
from revsearch.stages.cluster_job import ClusterJob

ID = "embeddings/0123456789ab"
REPORT = {"command": "embed", "artifact": ID, "kind": "embeddings", "exit_code": 0, "counts": {"in": 9}, "paths": {}}


def job(status: str, exit_code: int | None = None, error: str = "", message: str = "") -> ClusterJob:
    return ClusterJob("embed-1", True, status, "python -m jobs.embed", 1.0, 2.0, exit_code, error, message)


@pytest.mark.parametrize(
    ("over", "log", "code", "reason"),
    [
        (job("SUCCEEDED", 0), JobLog(artifact=ID, report=REPORT), 0, ""),
        (job("SUCCEEDED", 0), JobLog(), 75, "no_report"),
        (job("SUCCEEDED", 0), JobLog(artifact=ID), 75, "no_report"),
        (job("FAILED", 3), JobLog(reason="too_many_rejects", artifact=ID), 3, "too_many_rejects"),
        (job("FAILED", 1), JobLog(), 1, "job_failed"),
        (job("FAILED", 127), JobLog(), 127, "job_failed"),
        (job("FAILED", -9), JobLog(), 137, "job_failed"),
        (job("STOPPED"), JobLog(), 143, "job_stopped"),
        (job("STOPPED", 143), JobLog(reason="terminated"), 143, "job_stopped"),
        (job("FAILED", None, "RUNTIME_ENV_SETUP_FAILURE"), JobLog(), 2, "job_not_run"),
        (job("FAILED", None, "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE"), JobLog(), 2, "job_not_run"),
        (job("FAILED", None, "JOB_SUPERVISOR_ACTOR_DIED"), JobLog(), 75, "job_not_run"),
        (job("FAILED", None, "SOMETHING_NEW"), JobLog(), 1, "job_not_run"),
    ],
)
def test_the_exit_code_is_the_jobs_own(over, log, code, reason):
    ending = ending_of_job(over, log)
    assert (ending.code, ending.reason) == (code, reason)
    assert ending.artifact == ("" if not code else log.artifact)
    assert not code or "embed-1" in ending.problems[0]


def test_every_error_that_ray_names_is_mapped():
    from ray.job_submission import JobErrorType

    from jobs.job_ending import _NEVER_RAN

    of_the_command = {"JOB_ENTRYPOINT_COMMAND_ERROR", "JOB_ENTRYPOINT_COMMAND_START_ERROR"}
    assert {error.value for error in JobErrorType} == _NEVER_RAN.keys() | of_the_command


def test_why_a_job_did_not_run_is_one_line():
    message = "it failed:\nTraceback\n  File x\nValueError: no conda\n"
    (said,) = ending_of_job(job("FAILED", None, "X", message), JobLog()).problems
    assert "to its end: it failed: ... ValueError: no conda; " in said


def test_stdout_ends_as_that_of_the_job():
    outcome = outcome_of(job("SUCCEEDED", 0), JobLog(report=REPORT, artifact=ID), command="embed", as_json=False)
    assert (outcome.lines, result_line(outcome)) == ((), ID)
    log = JobLog(report={"artifact": None, "paths": {"result": "/o"}})
    written = outcome_of(job("SUCCEEDED", 0), log, command="embed", as_json=False)
    assert result_line(written) == "/o"
    listed = outcome_of(job("SUCCEEDED", 0), JobLog(report={"lines": ["a", "b"]}), command="embed", as_json=False)
    assert (listed.lines, result_line(listed)) == (("a", "b"), None)


def test_a_plan_is_told_as_here():
    plan = {"rows": 3, "parts": 1, "bytes": None, "resources": vars(Resources()), "note": "n"}
    outcome = outcome_of(job("SUCCEEDED", 0), JobLog(report={"plan": plan}), command="embed", as_json=False)
    assert list(outcome.lines) == list(plan_lines(Plan(3, 1, None, Resources(), "n")))


def test_json_has_what_the_job_told_and_the_job():
    outcome = outcome_of(job("SUCCEEDED", 0), JobLog(report=REPORT, artifact=ID), command="embed", as_json=False)
    told = as_json("submit", outcome, outcome.ending, {})
    assert (told["command"], told["artifact"], told["counts"], told["exit_code"]) == ("submit", ID, {"in": 9}, 0)
    assert told["job"]["id"] == "embed-1"
    assert "error" not in told


def test_json_has_the_jobs_own_error():
    report = REPORT | {"exit_code": 2, "error": {"reason": "usage", "message": "no such thing"}}
    outcome = outcome_of(job("FAILED", 2), JobLog(report=report, reason="usage"), command="embed", as_json=False)
    told = as_json("submit", outcome, outcome.ending, {})
    assert (told["exit_code"], told["error"]) == (2, report["error"])


def test_a_job_asked_for_json_gives_it_as_it_is():
    outcome = outcome_of(job("SUCCEEDED", 0), JobLog(report=REPORT, artifact=ID), command="embed", as_json=True)
    assert json.loads(outcome.lines[0]) == REPORT
    assert result_line(outcome) is None


@pytest.mark.parametrize(
    ("over", "code", "reason"),
    [(job("SUCCEEDED", 0), 75, "no_report"), (job("FAILED", 3), 3, "job_failed"), (job("STOPPED"), 143, "job_stopped")],
)
def test_json_of_a_job_whose_log_is_not_to_be_had(over, code, reason):
    outcome = outcome_of(over, JobLog(), command="embed", as_json=True)
    (line,) = outcome.lines
    told = json.loads(line)
    assert (told["command"], told["artifact"], told["exit_code"]) == ("embed", None, code)
    assert told["error"]["reason"] == reason
    assert told["job"]["id"] == "embed-1"
    assert told["job"]["exit_code"] == over.exit_code
    assert "embed-1" in told["error"]["message"]


def test_stdout_of_a_job_whose_log_is_not_to_be_had():
    outcome = outcome_of(job("SUCCEEDED", 0), JobLog(), command="embed", as_json=False)
    assert (outcome.lines, result_line(outcome), outcome.ending.code) == ((), None, 75)
    told = as_json("submit", outcome, outcome.ending, {})
    assert (told["command"], told["exit_code"], told["job"]["id"]) == ("submit", 75, "embed-1")


@pytest.mark.parametrize(
    ("stopped", "code", "reason"),
    [(KeyboardInterrupt(), 128 + signal.SIGINT, "interrupted"), (SystemExit(), 128 + signal.SIGTERM, "terminated")],
)
def test_who_stops_watching_is_told_how_to_go_on(stopped, code, reason):
    ending = left_running("embed-1", stopped, " --address http://h:1")
    assert (ending.code, ending.reason) == (code, reason)
    assert "`revsearch status embed-1 --address http://h:1`" in ending.problems[0]
    assert "`revsearch stop embed-1 --address http://h:1`" in ending.problems[0]

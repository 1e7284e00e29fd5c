"""Exit codes, streams and JSON of a whole run, with commands that need no Ray."""

import json
import logging
import os
import resource
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs import launch as launch_module
from jobs.catalogue import command_names, commands
from jobs.launch import Command, Job, Outcome, Plan, execute, main
from revsearch.errors import Conflict, DiskFull, InvalidSpec
from revsearch.specs import option
from revsearch.storage.artifact import Artifact
from revsearch.storage.card import Card, Counts
from revsearch.storage.opening import open_store
from revsearch.storage.refs import read_ref

HEAVY = ("ray", "torch", "torchvision", "pyarrow", "matplotlib", "hnswlib", "boto3", "PIL")
CPU_SECONDS = 1.0  # of `--help`; CPU time, because a busy machine says nothing about us

GOOD = Artifact(Card("rankings", "0123456789ab", {}, {}, Counts(10, 10), ()), "rankings/0123456789ab", fresh=True)
BAD = Artifact(Card("rankings", "ba9876543210", {}, {}, Counts(10, 8, {"empty": 2}), ()), "store/rankings/ba9876543210")


@dataclass(frozen=True)
class Spec:
    """Do something."""

    k: int = option(10, help="images", at_least=1)


def command(does: Callable[[Job], Outcome], plan: Callable[[Spec, Job], Plan] | None = None) -> Command:
    def run(spec: Spec, job: Job) -> Outcome:
        return does(job)

    return Command(spec=Spec, run=run, plan=plan)


def gives(outcome: Outcome) -> Command:
    return command(lambda job: outcome)


def raises(error: BaseException) -> Command:
    def fail(job: Job) -> Outcome:
        raise error

    return command(fail)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("REVSEARCH_STORE", "REVSEARCH_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def test_stdout_is_the_data_and_ends_with_the_id(capsys):
    assert execute(gives(Outcome(GOOD, lines=("a\tb", "c\nd"))), []) == 0
    shown = capsys.readouterr()
    assert shown.out == "a\tb\nc\\nd\nrankings/0123456789ab\n"
    assert shown.err == "rankings/0123456789ab: 10 in, 10 ok, 0 rejected\n"


def test_or_with_the_path_written(capsys):
    assert execute(gives(Outcome(path=Path("out/demo"))), []) == 0
    assert capsys.readouterr().out == "out/demo\n"


def test_logs_and_stray_prints_of_libraries_go_to_stderr(capsys):
    def chatty(job: Job) -> Outcome:
        logging.getLogger("revsearch.stages").info("working on %s", "a\rb")
        sys.stdout.write("some library\n")
        return Outcome(GOOD)

    assert execute(command(chatty), []) == 0
    shown = capsys.readouterr()
    assert shown.out == "rankings/0123456789ab\n"
    assert shown.err.startswith("working on a\\rb\nsome library\n")


def test_warnings_of_libraries_are_shown_with_debug_only(capsys):
    def warns(job: Job) -> Outcome:
        warnings.warn("odd picture", UserWarning, stacklevel=1)
        return Outcome(GOOD)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert execute(command(warns), []) == 0
        assert "odd picture" not in capsys.readouterr().err
        assert execute(command(warns), ["--debug"]) == 0
        assert "warning: " in (told := capsys.readouterr().err)
        assert "odd picture" in told


def test_too_many_rejects_is_a_verdict_and_the_id_is_printed(capsys):
    assert execute(gives(Outcome(BAD)), []) == 3
    shown = capsys.readouterr()
    assert shown.out == "rankings/ba9876543210\n"
    assert shown.err.splitlines()[-1] == "revsearch: exit=3 reason=too_many_rejects artifact=rankings/ba9876543210"
    assert "20.00% of 10" in shown.err


def test_the_limit_can_be_moved(capsys):
    assert execute(gives(Outcome(BAD)), ["--max-reject-rate", "0.2"]) == 0
    assert "exit=" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (InvalidSpec("first", "second"), 2, "usage"),
        (Conflict("lost"), 6, "conflict"),
        (DiskFull("no room"), 75, "disk_full"),
        (ValueError("a bug\nin two lines"), 1, "internal"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_an_error_ends_with_its_code_and_says_so_last(error, code, reason, capsys):
    assert execute(raises(error), []) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[-1] == f"revsearch: exit={code} reason={reason}"
    assert "Traceback" not in shown.err


def test_a_bug_takes_one_line_and_with_debug_a_traceback(capsys):
    assert execute(raises(ValueError("a\nb")), []) == 1
    assert (
        capsys.readouterr().err.splitlines()[0] == "revsearch: internal failure: ValueError: a\\nb; --debug shows where"
    )
    assert execute(raises(ValueError("a")), ["--debug"]) == 1
    assert "in fail" in capsys.readouterr().err


def test_secrets_in_messages_are_hidden(capsys):
    execute(raises(DiskFull("no room at s3://key:hunter2@bucket/x")), ["--debug"])
    assert "hunter2" not in capsys.readouterr().err


def test_usage_errors_come_all_at_once_and_before_the_command_runs(capsys):
    def never(job: Job) -> Outcome:
        raise AssertionError("the command ran")

    assert execute(command(never), ["--k", "0", "--batch-size", "x", "--exat", "--profile", "lap"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "revsearch: unknown option --exat",
        "revsearch: --profile: expected one of laptop, cluster, found 'lap'; did you mean laptop?",
        "revsearch: --batch-size: expected a whole number, found 'x'",
        "revsearch: --k: expected at least 1, found 0",
        "revsearch: exit=2 reason=usage",
    ]


@pytest.mark.parametrize(
    ("made", "arguments", "code"),
    [
        (gives(Outcome(GOOD, lines=("a",))), [], 0),
        (gives(Outcome(BAD)), [], 3),
        (raises(ValueError("x")), [], 1),
        (gives(Outcome(GOOD)), ["--k", "x"], 2),
        (gives(Outcome(GOOD)), ["--kk"], 2),
    ],
)
def test_json_is_the_only_thing_on_stdout_however_it_ends(made, arguments, code, capsys):
    assert execute(made, ["--json", *arguments]) == code
    told = json.loads(capsys.readouterr().out)
    assert {"command", "artifact", "kind", "exit_code", "counts", "metrics", "paths", "seconds", "run"} <= told.keys()
    assert (told["command"], told["exit_code"], "error" in told) == ("test-launch", code, code != 0)


def test_name_moves_the_ref(tmp_path, capsys):
    assert execute(gives(Outcome(GOOD)), ["--store", str(tmp_path), "--name", "best"]) == 0
    assert read_ref(open_store(str(tmp_path)), "best")["artifact"] == "rankings/0123456789ab"


def test_name_is_not_moved_to_a_result_with_too_many_rejects(tmp_path, capsys):
    assert execute(gives(Outcome(BAD)), ["--store", str(tmp_path), "--name", "best"]) == 3
    assert read_ref(open_store(str(tmp_path)), "best") is None
    assert "the ref was not moved" in capsys.readouterr().err


def test_a_ref_that_cannot_be_moved_leaves_the_id_on_stdout(tmp_path, capsys):
    open_store(str(tmp_path)).write("refs/best.json", b"broken")
    assert execute(gives(Outcome(GOOD)), ["--store", str(tmp_path), "--name", "best"]) == 5
    shown = capsys.readouterr()
    assert shown.out == "rankings/0123456789ab\n"
    assert shown.err.endswith("revsearch: exit=5 reason=checksum artifact=rankings/0123456789ab\n")


@pytest.mark.parametrize("name", ["../x", "be st", "internal/x"])
def test_a_name_that_no_ref_can_have_is_told_before_any_work(name, tmp_path, capsys):
    def work(job: Job) -> Outcome:
        raise AssertionError("work was done")

    assert execute(command(work), ["--store", str(tmp_path), "--name", name, "--k", "0"]) == 2
    told = capsys.readouterr().err
    assert "--k: expected at least 1, found 0" in told
    assert "--name: expected" in told


def test_name_wants_an_artifact(tmp_path, capsys):
    assert execute(gives(Outcome(lines=("a",))), ["--store", str(tmp_path), "--name", "best"]) == 2
    assert "--name best: this run made no artifact" in capsys.readouterr().err


def test_dry_run_shows_the_plan_and_runs_nothing(capsys):
    planned = command(raises(AssertionError()).run, lambda spec, job: Plan(spec.k, 1, None, job.resources))
    assert execute(planned, ["--dry-run", "--k", "7"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["rows: 7", "parts: 1"]
    assert execute(planned, ["--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["plan"]["rows"] == 10


def test_dry_run_is_refused_where_there_is_no_plan(capsys):
    assert execute(gives(Outcome(GOOD)), ["--dry-run"]) == 2
    assert "--dry-run" in capsys.readouterr().err


def test_the_store_is_opened_when_asked_for(tmp_path, capsys):
    assert execute(command(lambda job: Outcome(lines=(job.store.uri,))), ["--store", str(tmp_path / "new")]) == 0
    assert str(tmp_path / "new") in capsys.readouterr().out


@pytest.fixture
def typed(monkeypatch, capsys):
    """Run `revsearch` with these arguments: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["revsearch", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        shown = capsys.readouterr()
        return left.value.code, shown.out, shown.err

    return run


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_lists_the_commands(typed, arguments, monkeypatch):
    monkeypatch.setattr(launch_module, "commands", lambda: {"embed": "Embed every image."})
    code, out, err = typed(*arguments)
    assert (code, err) == (0, "")
    assert "  embed  Embed every image.\n" in out


def test_help_of_a_command_with_presets_lists_them(capsys):
    presets = Command(spec=Spec, run=gives(Outcome(GOOD)).run, presets={"quick": Spec})
    with pytest.raises(SystemExit) as left:
        execute(presets, ["--help"])
    assert (left.value.code, "  quick  Do something.\n" in capsys.readouterr().out) == (0, True)


def test_a_preset_is_chosen_before_anything_is_read(capsys):
    presets = Command(spec=Spec, run=gives(Outcome(GOOD)).run, presets={"quick": Spec})
    assert execute(presets, ["quick", "--k", "3"]) == 0
    assert capsys.readouterr().out == "rankings/0123456789ab\n"
    assert execute(presets, ["quik", "--k", "x", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["reason"] == "usage"


def test_version(typed):
    code, out, _ = typed("--version")
    assert (code, out.split()[0]) == (0, "revsearch")


def test_an_unknown_command(typed, monkeypatch):
    monkeypatch.setattr(launch_module, "commands", lambda: {"embed": "", "build-index": ""})
    code, out, err = typed("build_index")
    assert (code, out) == (2, "")
    assert "did you mean build-index?" in err
    assert err.endswith("revsearch: exit=2 reason=usage\n")
    code, out, _ = typed("embd", "--json")
    assert (code, json.loads(out)["error"]["reason"]) == (2, "usage")


SCRIPT = """
import os, signal, sys
from dataclasses import dataclass
from jobs.launch import Command, Job, Outcome, launch

@dataclass(frozen=True)
class Spec:
    '''Do.'''

def run(spec, job):
    {body}

launch(Command(spec=Spec, run=run))
"""


def python(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, **options)


def test_sigterm_is_143(tmp_path):
    script = tmp_path / "stopped.py"
    script.write_text(SCRIPT.format(body="os.kill(os.getpid(), signal.SIGTERM)"))
    done = python(str(script))
    assert (done.returncode, done.stdout) == (143, "")
    assert done.stderr.endswith("revsearch: exit=143 reason=terminated\n")


@pytest.mark.parametrize("left_by", [None, KeyboardInterrupt, RuntimeError])
def test_ray_is_left_once_all_is_told_and_the_code_stays(left_by, monkeypatch, capsys):
    from revsearch.stages import cluster

    told: list[str] = []

    def leave() -> None:
        told.append(capsys.readouterr().out)
        if left_by:
            raise left_by

    monkeypatch.setattr(cluster, "leave", leave)
    with pytest.raises(SystemExit) as ended:
        launch_module.launch(gives(Outcome(BAD)), [])
    assert (ended.value.code, told) == (3, [f"rankings/{BAD.id}\n"])


def test_a_closed_pipe_is_no_failure(tmp_path):
    script = tmp_path / "many.py"
    script.write_text(SCRIPT.format(body="return Outcome(lines=('x' * 100,) * 10_000)"))
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, str(script)], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def help_of(*arguments: str) -> tuple[str, float]:
    """Return the heavy modules that `--help` imported, and the CPU seconds it took."""
    code = (
        "import sys\nfrom jobs.launch import main\n"
        f"sys.argv = ['revsearch', *{list(arguments)!r}, '--help']\n"
        "try:\n    main()\nexcept SystemExit as left:\n    assert left.code == 0, left.code\n"
        f"sys.stderr.write(' '.join(name for name in {HEAVY} if name in sys.modules))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = python("-c", code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    return done.stderr, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("arguments", [(), *((name,) for name in command_names()), ("train", "triplet")])
def test_help_is_quick_and_imports_nothing_heavy(arguments):
    imported, seconds = help_of(*arguments)
    assert imported == ""
    assert seconds < CPU_SECONDS


def test_help_of_a_script_imports_nothing_heavy(tmp_path):
    script = tmp_path / "some.py"
    script.write_text(SCRIPT.format(body="return Outcome()"))
    done = python("-X", "importtime", str(script), "--help")
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "tyro" in imported
    assert not imported & set(HEAVY)


def test_a_module_run_is_the_same_as_the_command():
    for name in commands():
        done = python("-m", f"jobs.{name.replace('-', '_')}", "--help")
        assert done.stdout.startswith(f"usage: revsearch {name} "), done.stderr

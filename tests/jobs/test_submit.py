"""What `submit` refuses before any cluster is asked; with a cluster: tests/cluster/test_submitting.py."""

import socket
import subprocess
import sys
import time

import pytest

from jobs.submit import SubmitSpec

QUICK_S = 15.0


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    """No address of a cluster from outside, and no connection to any."""
    for name in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("somebody was asked"))


def test_everything_wrong_is_told_at_once_and_nobody_is_asked(revsearch, tmp_path):
    env = tmp_path / "env.yaml"
    env.write_text("env_vars: {AWS_SECRET_ACCESS_KEY: hunter2}")
    told = revsearch(
        *("submit", "--submission-id", "a/b", "--entrypoint-num-cpus", "-1", "--runtime-env", env),
        *("--", "embed", "--manifst", "m", "--batch-size", "0", "--store", "here"),
    )
    assert told.code == 2
    assert "hunter2" not in told.err
    for part in (
        "--address: required",
        "--submission-id: expected",
        "--entrypoint-num-cpus: expected at least 0",
        "expected no secrets, found AWS_SECRET_ACCESS_KEY",
        "unknown option --manifst; did you mean --manifest?",
        "--manifest: required",
        "--batch-size: expected at least 1",
        "--store: expected an absolute path",
    ):
        assert part in told.err, part


def test_a_folder_that_is_too_large_is_refused_before_anybody_is_asked(revsearch, tmp_path):
    with (tmp_path / "big.bin").open("wb") as file:
        file.truncate(100 * 2**20)
    arguments = ("--address", "http://127.0.0.1:1", "--working-dir", tmp_path)
    told = revsearch("submit", *arguments, "--", "ls", "--store", "/s")
    assert (told.code, "big.bin (100.0 MiB)" in told.err, "--exclude" in told.err) == (2, True, True)


@pytest.mark.parametrize("command", [["submit", "--", "ls", "--store", "/s"], ["status"], ["stop", "x"]])
@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "127.0.0.1:{}"])
def test_an_address_where_nobody_listens_is_told_quickly(command, form):
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        address = form.format(taken.getsockname()[1])
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", f"jobs.{command[0]}", "--address", address, *command[1:]],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert address in done.stderr
    assert time.monotonic() - began < QUICK_S


def test_a_working_dir_that_lies_elsewhere_is_left_to_the_machines(tmp_path):
    env = tmp_path / "env.yaml"
    env.write_text("working_dir: s3://b/x.zip\nexcludes: [a]\npip: [x]\n")
    command = ("ls", "--store", "/s")
    declared = SubmitSpec(command=command, runtime_env=str(env)).luggage()
    assert (declared.working_dir, declared.runtime_env["working_dir"]) == (None, "s3://b/x.zip")
    declared.require_small()
    given = SubmitSpec(command=command, runtime_env=str(env), working_dir="https://host/y.zip").luggage()
    assert (given.working_dir, given.runtime_env["working_dir"]) == (None, "https://host/y.zip")
    here = SubmitSpec(command=command, runtime_env=str(env), working_dir=str(tmp_path)).luggage()
    assert (here.working_dir, here.excludes) == (tmp_path, ("a",))


def test_help_of_the_command_that_is_sent(capsys, monkeypatch):
    from jobs.launch import execute
    from jobs.submit import COMMAND

    with pytest.raises(SystemExit) as left:
        execute(COMMAND, ["--", "embed", "--help"])
    assert (left.value.code, "usage: revsearch embed" in capsys.readouterr().out) == (0, True)

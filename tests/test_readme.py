"""The README's commands work as they stand there, one after another, in a folder of their own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.slow
def test_the_commands_on_the_demos_pictures(tmp_path: Path) -> None:
    shell = [block for block in blocks("sh") if "demo/images-0" in block]
    assert len(shell) == 2
    script = "\n".join(["revsearch demo >/dev/null", *shell, f"{sys.executable} - <<'END'", *blocks("python"), "END"])
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    told = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "vectors" / "vectors.npy").is_file()
    assert told.stdout.splitlines()[-1].startswith("demo/images-0/query/boat/")


@pytest.mark.parametrize("name", ["aws", "kuberay"])
def test_ten_lines_to_a_cluster_wait_for_it(tmp_path: Path, name: str) -> None:
    """With programs of ours in place of those called; the job server answers at the third look."""
    (block,) = (block for block in blocks("sh") if f"cluster/{name}" in block)
    assert len(block.splitlines()) <= 10
    shutil.copytree(README.parent / "cluster", tmp_path / "cluster")
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").touch()
    for program in ("aws", "ray", "docker", "kubectl", "revsearch", "sleep", "curl"):
        answers = '[ $(grep -c ^curl "$HOME/calls") -gt 2 ]' if program == "curl" else "true"
        (tmp_path / program).write_text(f'#!/bin/bash\necho {program} $* >> "$HOME/calls"\n{answers}\n')
        (tmp_path / program).chmod(0o755)
    yours = {"REGISTRY": "registry.example/team", "BUCKET": "photos", "HOME": str(tmp_path)}
    environment = {**yours, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-euc", block], cwd=tmp_path, env=environment, timeout=60, check=True)
    calls = (tmp_path / "calls").read_text().splitlines()
    (sent,) = (index for index, call in enumerate(calls) if call.startswith("revsearch submit"))
    assert [call.split()[0] for call in calls[:sent]].count("curl") == 3
    if name == "kuberay":
        assert_the_head_is_waited_for(calls)
        cluster = "".join(path.read_text() for path in (tmp_path / "cluster/kuberay").iterdir())
        assert "image: registry.example/team/revsearch:" in cluster
        assert "my-bucket" not in cluster
    else:  # in the background, and it would read the terminal: a shell stops such a one
        assert "ray dashboard cluster/aws.yaml < /dev/null &" in block


def assert_the_head_is_waited_for(calls: list[str]) -> None:
    kubectl = [re.sub("-n revsearch ", "", call).split()[1] for call in calls if call.startswith("kubectl")]
    assert [each for each in kubectl if each != "port-forward"] == ["apply", "wait", "get"]
    assert kubectl.index("port-forward") > kubectl.index("wait")  # it gives up where nobody answers
    (wait,) = (call for call in calls if " wait " in call)
    assert "--for=condition=HeadPodReady raycluster/revsearch --timeout=" in wait


def test_no_placeholder_is_left() -> None:
    assert not re.findall(r"\b[A-Z]+_[A-Z_]*(?:S|TABLE|SECTION)\b", re.sub(r"`[^`]*`", "", README.read_text()))

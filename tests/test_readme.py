"""The README's commands work as they stand there, one after another, in a folder of their own."""

import os
import re
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


def test_no_placeholder_is_left() -> None:
    assert not re.findall(r"\b[A-Z]+_[A-Z_]*(?:S|TABLE|SECTION)\b", re.sub(r"`[^`]*`", "", README.read_text()))

"""Ray reads tokens once a process: each of these is one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
from revsearch.errors import InvalidSpec
from revsearch.stages.token import send_token
try:
    print(send_token())
except InvalidSpec as error:
    print(error)
"""


def sends(home: Path, **environment: str) -> tuple[str, str]:
    """Return what a process with this environment says of its token, and what Ray says."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        timeout=60,
        env={**own, "HOME": str(home), **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


@pytest.fixture
def token(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text("canary")
    return str(path)


def test_a_token_is_sent_where_there_is_one_and_ray_says_nothing(tmp_path: Path, token: str) -> None:
    assert sends(tmp_path, RAY_AUTH_TOKEN_PATH=token) == ("True", "")
    assert sends(tmp_path, RAY_AUTH_TOKEN="canary", RAY_AUTH_MODE="token") == ("True", "")
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("canary")
    assert sends(tmp_path) == ("True", "")


def test_none_is_sent_where_there_is_none_or_it_is_not_wanted(tmp_path: Path, token: str) -> None:
    assert sends(tmp_path) == ("False", "")
    assert sends(tmp_path, RAY_AUTH_TOKEN_PATH=token, RAY_AUTH_MODE="disabled") == ("False", "")


def test_a_token_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    missing, _ = sends(tmp_path, RAY_AUTH_TOKEN_PATH=str(tmp_path / "nothing"))
    assert "nothing" in missing
    assert "RAY_AUTH_TOKEN_PATH (a file with it)" in missing
    wanted, _ = sends(tmp_path, RAY_AUTH_MODE="token")
    assert wanted.startswith("RAY_AUTH_MODE is `token`, and no token is there; expected")

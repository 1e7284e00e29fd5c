"""What the tests of the shipped cluster files look at: the files, the versions that are locked, and what is secret."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"

_SECRETS = (
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",  # ids of AWS keys
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    r"(?i)\b(?:secret_access_key|aws_session_token|ray_auth_token|password|passwd)\b[\"']?\s*[=:]\s*[\"']?[^\s\"'{$]",
    r"\b[0-9a-f]{40,}\b",
)


def secrets_in(text: str) -> list[str]:
    """Return what looks like a secret."""
    return [found[0] for pattern in _SECRETS for found in re.finditer(pattern, text)]


def version() -> str:
    """Return the project's own version."""
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return found


def locked_versions() -> dict[str, str]:
    """Return the version of every package in requirements.lock."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))

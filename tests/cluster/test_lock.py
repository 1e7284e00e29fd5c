"""What nodes install is what is locked at home, without what tests need."""

import re
import tomllib
from collections.abc import Iterable

from tests.cluster.shipped import CLUSTER, ROOT

_NAME = re.compile(r"[A-Za-z0-9._-]+")


def entries(lock: str) -> set[str]:
    """Each package with its version, its condition and its hashes."""
    lines = "".join(line for line in lock.splitlines(keepends=True) if not line.startswith("#"))
    return set(re.split(r"\n(?=\S)", lines.rstrip("\n")))


def names(requirements: Iterable[str]) -> set[str]:
    return {match[0].lower() for each in requirements if (match := _NAME.match(each))}


def test_nodes_have_the_versions_of_home_and_nothing_for_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = entries((CLUSTER / "requirements.lock").read_text())
    assert own < entries((ROOT / "requirements.lock").read_text())
    assert names(project["dependencies"]) <= names(own)
    assert names(own) & names(project["optional-dependencies"]["dev"]) == {"jsonschema"}  # Ray needs it too

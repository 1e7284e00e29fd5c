"""What travels with a job, packed as Ray packs it."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray._private.runtime_env.packaging import create_package
from ray.runtime_env import RuntimeEnv

from revsearch.stages import luggage
from tests.cluster.shipped import CLUSTER, ROOT, secrets_in

FILE = CLUSTER / "runtime-env.yaml"
DATA = (
    ".git/config",
    ".venv/bin/python",
    "store/embeddings/0123456789ab/card.json",
    "demo/images-0/a.jpg",
    "tests/test_a.py",
    "report.png",
    "photos/shop/a.jpg",
    "weights/mine.onnx",
    "mine.safetensors",
    ".env.local",
    "server.pem",
    "certificates/server.key",
    ".aws/credentials",
    "jobs/__pycache__/run.cpython-312.pyc",
    ".mypy_cache/x",
    "revsearch.egg-info/PKG-INFO",
)
CODE = ("jobs/run.py", "revsearch/storage/store.py", "revsearch/render/templates/report.html", "pyproject.toml")


@pytest.fixture
def config() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return found


def packed(folder: Path, target: Path, excludes: list[str]) -> set[str]:
    create_package(str(folder), target, include_gitignore=False, excludes=excludes)
    with zipfile.ZipFile(target) as package:
        return {name for name in package.namelist() if not name.endswith("/")}


def test_ray_takes_it(config: dict[str, Any]) -> None:
    assert RuntimeEnv(**config) == config


@pytest.mark.parametrize("wrong", [{"excludes": "store"}, {"env_vars": {"A": 1}}])
def test_rays_check_would_see_a_mistake(config: dict[str, Any], wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        RuntimeEnv(**config | wrong)


def test_code_travels_and_data_do_not(config: dict[str, Any], tmp_path: Path) -> None:
    for name in (*DATA, *CODE):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text("x")
    assert packed(tmp_path / "tree", tmp_path / "package.zip", config["excludes"]) == set(CODE)


def test_a_folder_of_ours_that_has_such_a_name_travels(config: dict[str, Any], tmp_path: Path) -> None:
    """`/store/` is the one at the root alone."""
    (tmp_path / "tree/revsearch/store").mkdir(parents=True)
    (tmp_path / "tree/revsearch/store/a.py").write_text("x")
    assert packed(tmp_path / "tree", tmp_path / "package.zip", config["excludes"]) == {"revsearch/store/a.py"}


def test_packages_are_the_nodes_own(config: dict[str, Any]) -> None:
    assert config.keys() == {"excludes", "env_vars"}


def test_no_secret_is_in_it(config: dict[str, Any]) -> None:
    assert secrets_in(FILE.read_text()) == []
    assert not [name for name in config["env_vars"] if "TOKEN" in name or "SECRET" in name or "KEY" in name]


def test_what_submit_leaves_here_is_left_here_too(config: dict[str, Any]) -> None:
    assert set(luggage.DATA) <= set(config["excludes"])


def test_what_git_ignores_does_not_travel_either(config: dict[str, Any]) -> None:
    ours = {line.strip("/") for line in (ROOT / ".gitignore").read_text().split() if not line.startswith(".")}
    excluded = {pattern.strip("/") for pattern in config["excludes"]}
    assert ours <= excluded

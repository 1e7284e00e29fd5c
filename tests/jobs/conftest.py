"""One demo for all tests of commands: a real store with one artifact of each kind."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save

from revsearch.descriptors.color_histogram import SPACE
from revsearch.storage.artifact import Draft
from revsearch.storage.card import Counts
from revsearch.storage.local import LocalStore


@dataclass(frozen=True)
class Demo:
    """The first run of the demo, in a process of its own."""

    folder: Path
    told: subprocess.CompletedProcess[str]
    seconds: float

    @property
    def store(self) -> str:
        """Where its artifacts lie."""
        return str(self.folder / "store")

    @property
    def images(self) -> Path:
        """What it has drawn."""
        return self.folder / "images-0"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "jobs.demo", "--out", str(folder)]
    began = time.perf_counter()
    told = subprocess.run(command, capture_output=True, text=True, timeout=240)
    return Demo(folder, told, time.perf_counter() - began)


@pytest.fixture(scope="session")
def ids(demo, revsearch) -> SimpleNamespace:
    """The id of the demo's artifact of each kind, taken from the listing."""
    assert demo.told.returncode == 0, demo.told.stderr
    names = [line.split()[0] for line in revsearch("ls", "--store", demo.store).out.splitlines()]
    return SimpleNamespace(**{name.split("/")[0]: name for name in names})


@pytest.fixture(scope="session")
def photo(demo) -> str:
    """A query of the demo."""
    return str(sorted(demo.images.glob("query/*/*"))[0])


@pytest.fixture
def store(demo: Demo, ids: SimpleNamespace, tmp_path: Path) -> str:
    """A copy of the demo's store, for a test that adds to it."""
    return str(shutil.copytree(demo.store, tmp_path / "store"))


@pytest.fixture
def broken(demo: Demo, tmp_path: Path) -> Callable[..., str]:
    """Copy the store with one file changed, or taken away where the change gives None; returns the copy."""

    def copy(id: str, name: str, change: Callable[[bytes], bytes | None]) -> str:
        store = Path(tempfile.mkdtemp(dir=tmp_path))
        shutil.copytree(demo.store, store, dirs_exist_ok=True)
        path = store / id / name
        changed = change(path.read_bytes())
        path.unlink()
        if changed is not None:
            path.write_bytes(changed)
        return str(store)

    return copy


@pytest.fixture
def flipped(broken: Callable[..., str]) -> Callable[..., str]:
    """Copy the store with one bit of a file flipped, at this share of its length; returns the copy."""

    def flip(data: bytes, place: float) -> bytes:
        at = int(len(data) * place)
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return lambda id, name, place: broken(id, name, partial(flip, place=place))


@dataclass(frozen=True)
class Trained:
    """A store with a trained encoder, committed by hand."""

    store: str
    id: str
    weights: bytes
    weights_path: Path


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    store = LocalStore(tmp_path / "trained")
    draft = Draft(store, "encoder", "0123456789ab", {"preset": "triplet"}, {"manifest": "manifest/ba9876543210"})
    weights = save({"head.weight": np.eye(3, dtype=np.float32)})
    part = draft.put("weights", ".safetensors", weights)
    artifact = draft.commit(Counts(10, 9, {"empty": 1}), [part], facts={"space": SPACE.to_dict()})
    return Trained(store.uri, str(artifact), weights, Path(artifact.path) / part.name)

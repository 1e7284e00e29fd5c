"""Weights files that lie in a bucket: fetched once, checked as those of a folder."""

import hashlib
from pathlib import Path

import pytest
import torch

from revsearch.errors import CorruptArtifact, InvalidSpec
from revsearch.model import weights
from revsearch.model.names import EncoderName
from revsearch.stages.weights_file import weights_file
from tests.servers.faulty import Proxy

NAME = EncoderName("resnet50", "IMAGENET1K_V2")
CONTENT = b"as good as weights"
FILE = f"resnet50-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's cache, which is not there yet, and torchvision's URL of a file that is nowhere."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(weights, "weights_url", lambda architecture, name: (tmp_path / "web" / FILE).as_uri())
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def bucket(cache: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> str:
    bucket: str = proxy.upstream.make_bucket()
    monkeypatch.setenv("REVSEARCH_WEIGHTS", f"{bucket}/weights")
    return bucket


def test_torchvisions_file_is_fetched_once_into_torchs_cache(bucket: str, cache: Path, proxy: Proxy) -> None:
    proxy.upstream.fill(f"{bucket}/weights", {FILE: CONTENT})
    assert [weights_file(NAME) for _ in range(2)] == [cache / FILE] * 2
    assert (cache / FILE).read_bytes() == CONTENT
    assert proxy.counts["GetObject"] == 1
    assert [path.name for path in cache.iterdir()] == [FILE]


def test_a_file_that_is_not_torchvisions_is_corrupt_and_not_kept(bucket: str, cache: Path, proxy: Proxy) -> None:
    proxy.upstream.fill(f"{bucket}/weights", {FILE: b"flipped"})
    with pytest.raises(CorruptArtifact, match=f"{bucket}/weights/{FILE}: checksum of torchvision's weights"):
        weights_file(NAME)
    assert not list(cache.iterdir())


def test_where_the_bucket_has_none_it_is_looked_for_elsewhere(
    bucket: str, cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidSpec, match="could not be downloaded"):
        weights_file(NAME)
    assert f"{bucket}/weights/{FILE}: no such object" in caplog.text
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / FILE).write_bytes(CONTENT)
    assert weights_file(NAME) == cache / FILE


def test_a_file_of_its_own(bucket: str, cache: Path, proxy: Proxy) -> None:
    proxy.upstream.fill(bucket, {"mine.safetensors": b"mine"})
    name = EncoderName("resnet50", "IMAGENET1K_V2", f"{bucket}/mine.safetensors")
    first, again = weights_file(name), weights_file(name)
    assert first == again
    assert (first.suffix, first.read_bytes(), proxy.counts["GetObject"]) == (".safetensors", b"mine", 1)
    with pytest.raises(InvalidSpec, match=f"{bucket}/other.pth: no such object"):
        weights_file(EncoderName("resnet50", "IMAGENET1K_V2", f"{bucket}/other.pth"))


def test_folders_are_as_before(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / FILE).write_bytes(CONTENT)
    monkeypatch.setenv("REVSEARCH_WEIGHTS", str(tmp_path / "weights"))
    assert weights_file(NAME) == tmp_path / "weights" / FILE
    monkeypatch.delenv("REVSEARCH_WEIGHTS")
    cache.mkdir(parents=True)
    (cache / FILE).write_bytes(CONTENT)
    assert weights_file(NAME) == cache / FILE

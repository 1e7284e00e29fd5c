import errno
import hashlib
import socket
from pathlib import Path

import pytest
import torch

from revsearch.errors import CorruptArtifact, DiskFull
from revsearch.model.download import download, hash_in_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet50-11ad3fa6.pth", "11ad3fa6"),
        ("alexnet-owt-7be5be79.pth", "7be5be79"),
        ("mnasnet0.5_top1_67.823-3ffadce67e.pth", "3ffadce67e"),
        ("mine.pth", ""),
    ],
)
def test_hash_in_the_name(name: str, expected: str) -> None:
    assert hash_in_name(name) == expected


def test_takes_the_file_whose_hash_is_right(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"weights")
    target = tmp_path / "cache" / f"model-{hashlib.sha256(b'weights').hexdigest()[:8]}.pth"
    download(source.as_uri(), target)
    assert target.read_bytes() == b"weights"


def test_refuses_another_file_and_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"something else")
    cache = tmp_path / "cache"
    with pytest.raises(CorruptArtifact, match="checksum of the download"):
        download((tmp_path / "source").as_uri(), cache / "model-01234567.pth")
    assert list(cache.iterdir()) == []


def test_says_that_it_is_not_to_be_had_and_restores_the_socket_timeout(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match="No such file"):
        download((tmp_path / "none").as_uri(), tmp_path / "model.pth")
    assert socket.getdefaulttimeout() is None


def test_says_that_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch.hub, "download_url_to_file", full)
    with pytest.raises(DiskFull, match="no room left"):
        download("https://example.org/model.pth", tmp_path / "model.pth")

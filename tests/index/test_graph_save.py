import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from revsearch.errors import CorruptArtifact, DiskFull, InvalidSpec
from revsearch.index import graph_save
from revsearch.index.hnsw import HnswGraph


@pytest.fixture
def graph(clustered):
    vectors = clustered(500, 16).gallery("l2")
    return HnswGraph.build(vectors, "l2", M=8, ef_construction=50, seed=0, threads=1)


def test_a_missing_folder_is_seen(graph, tmp_path):
    with pytest.raises(InvalidSpec, match="No such file or directory"):
        graph.save(tmp_path / "missing" / "graph.bin")


def test_a_folder_in_its_place_is_seen(graph, tmp_path):
    with pytest.raises(InvalidSpec, match="Is a directory"):
        graph.save(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_seen(graph, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InvalidSpec, match="Permission denied"):
        graph.save(tmp_path / "graph.bin")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_seen(graph, tmp_path):
    (tmp_path / "graph.bin").symlink_to("/dev/full")
    with pytest.raises(DiskFull, match=r"wrote 0 of \d+ bytes"):
        graph.save(tmp_path / "graph.bin")


LIMITED = """
import sys
from pathlib import Path
import numpy as np
import resource
from revsearch.errors import DiskFull
from revsearch.index.hnsw import HnswGraph

vectors = np.random.default_rng(0).normal(size=(2000, 16)).astype(np.float32)
graph = HnswGraph.build(vectors, "l2", M=8, ef_construction=50, seed=0, threads=1)
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    graph.save(Path(sys.argv[1]))
except DiskFull as full:
    sys.exit(str(full))
"""


@pytest.mark.parametrize("limit", [1, 96, 100_000, 280_000])
def test_a_file_that_may_not_grow_is_seen(tmp_path, limit):
    path = tmp_path / "graph.bin"
    done = subprocess.run([sys.executable, "-c", LIMITED, path, str(limit)], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{path}: wrote {limit} of " in done.stderr


def test_room_for_all_of_it_is_enough(tmp_path):
    path = tmp_path / "graph.bin"
    subprocess.run([sys.executable, "-c", LIMITED, path, str(resource.RLIM_INFINITY)], check=True)
    assert path.stat().st_size > 280_000


def test_bytes_that_come_back_changed_are_seen(graph, tmp_path, monkeypatch):
    """A disk that loses a bit after the write: in a vector of l2, where no other check can see it."""
    path = tmp_path / "graph.bin"

    def flush_and_flip(path):
        data = bytearray(path.read_bytes())
        data[96 + 4 + 4 * 16] ^= 1  # lowest bit of the first node's first component
        path.write_bytes(data)

    monkeypatch.setattr(graph_save, "_flush", flush_and_flip)
    with pytest.raises(CorruptArtifact, match="differs from the one written"):
        graph.save(path)


def test_an_older_file_in_its_place_is_replaced(graph, tmp_path):
    path = tmp_path / "graph.bin"
    path.write_bytes(b"x" * 10**6)
    graph.save(path)
    assert len(HnswGraph.load(path, n=500, dim=16, metric="l2")) == 500

import json
import subprocess
import sys

import numpy as np
import pytest

from revsearch.errors import CorruptArtifact
from revsearch.index.graph_check import require_sound_graph
from revsearch.index.graph_file import HEADER, node_dtype
from revsearch.index.hnsw import HnswGraph

N, DIM, M = 600, 16, 4
LINKS_END = 4 + 8 * M
NODES_END = HEADER.itemsize + N * node_dtype(M, DIM).itemsize


@pytest.fixture(scope="module")
def saved(clustered, tmp_path_factory):
    """Path of a small graph of unit vectors, with several levels."""
    path = tmp_path_factory.mktemp("graph") / "graph.bin"
    vectors = clustered(N, DIM).gallery("cosine")
    HnswGraph.build(vectors, "cosine", M=M, ef_construction=50, seed=0, threads=1).save(path)
    return path


def check(path, **other):
    require_sound_graph(path, **{"n": N, "dim": DIM, "metric": "cosine", **other})


def changed(saved, tmp_path, change):
    data = bytearray(saved.read_bytes())
    result = change(data)
    path = tmp_path / "changed.bin"
    path.write_bytes(data if result is None else result)
    return path


def test_what_hnswlib_writes_is_sound(saved):
    check(saved)


@pytest.mark.parametrize("n", [1, 2, 17, 5000])
@pytest.mark.parametrize("M", [2, 3, 16, 64])
def test_graphs_of_all_sizes_are_sound(clustered, metric, tmp_path, n, M):
    vectors = clustered(n, 5).gallery(metric)
    HnswGraph.build(vectors, metric, M=M, ef_construction=M, seed=n, threads=2).save(tmp_path / "graph.bin")
    require_sound_graph(tmp_path / "graph.bin", n=n, dim=5, metric=metric)


def test_graphs_of_equal_vectors_are_sound(tmp_path):
    vectors = np.ones((500, 3), np.float32)
    HnswGraph.build(vectors, "l2", M=4, ef_construction=10, seed=0, threads=1).save(tmp_path / "graph.bin")
    require_sound_graph(tmp_path / "graph.bin", n=500, dim=3, metric="l2")


def test_a_missing_file_is_corrupt(tmp_path):
    with pytest.raises(CorruptArtifact, match="No such file"):
        check(tmp_path / "missing.bin")


@pytest.mark.parametrize("field", HEADER.names)
def test_every_header_field_is_checked(saved, tmp_path, field):
    """All but a wrong ef_construction that could be right, which searching never looks at."""

    def change(data):
        start, size = HEADER.fields[field][1], HEADER.fields[field][0].itemsize
        data[start : start + size] = b"\xfe" * size

    with pytest.raises(CorruptArtifact):
        check(changed(saved, tmp_path, change))


@pytest.mark.parametrize("kept", [0, 1, 95, 96, 97, 5000, NODES_END, NODES_END + 4 * N - 1, -1, -4])
def test_cut_files_are_seen(saved, tmp_path, kept):
    with pytest.raises(CorruptArtifact):
        check(changed(saved, tmp_path, lambda data: data[:kept]))


@pytest.mark.parametrize("tail", [b"x", b"\0\0\0\0", b"\0" * 1000])
def test_files_with_something_after_them_are_seen(saved, tmp_path, tail):
    with pytest.raises(CorruptArtifact):
        check(changed(saved, tmp_path, lambda data: data + tail))


@pytest.mark.parametrize(
    ("offset", "bytes_", "message"),
    [
        (0, b"\x63\x00", "99 links, expected at most 8"),
        (2, b"\x01", "marked deleted"),
        (4, N.to_bytes(4, "little"), "beyond the 600 nodes"),
        (4, (0).to_bytes(4, "little"), "to itself"),
        (LINKS_END, b"\x00\x00\xc0\x7f", "not finite"),
        (LINKS_END, b"\x00\x00\x00\x40", "not of the length"),
        (LINKS_END + 4 * DIM, (N).to_bytes(8, "little"), "have no node"),
        (LINKS_END + 4 * DIM, (2**63).to_bytes(8, "little"), "have no node"),
        (NODES_END - HEADER.itemsize, (7).to_bytes(4, "little"), "take 7 bytes, which cannot be"),
    ],
)
def test_what_would_crash_or_mislead_a_search_is_named(saved, tmp_path, offset, bytes_, message):
    def change(data):
        data[HEADER.itemsize + offset : HEADER.itemsize + offset + len(bytes_)] = bytes_

    with pytest.raises(CorruptArtifact, match=message):
        check(changed(saved, tmp_path, change))


def test_a_zeroed_tail_is_seen(saved, tmp_path):
    def change(data):
        data[NODES_END:] = bytes(len(data) - NODES_END)

    with pytest.raises(CorruptArtifact):
        check(changed(saved, tmp_path, change))


def naive_levels(data):
    """Where each node's upper levels begin, and how many it has, by going through the file."""
    at, levels = NODES_END, []
    for _ in range(N):
        size = int.from_bytes(data[at : at + 4], "little")
        levels.append((at, size // (4 * (1 + M))))
        at += 4 + size
    assert at == len(data)
    return levels


def test_a_link_to_a_node_below_its_level_is_seen(saved, tmp_path):
    """hnswlib would follow it into links that node does not have."""
    levels = naive_levels(saved.read_bytes())
    low = next(node for node, (_, level) in enumerate(levels) if level == 0)
    start = next(at for at, level in levels if level > 0)

    def change(data):
        data[start + 8 : start + 12] = low.to_bytes(4, "little")  # after byte size and count: the first link

    with pytest.raises(CorruptArtifact, match="does not reach that level"):
        check(changed(saved, tmp_path, change))


FLIP = """
import json, sys
from pathlib import Path
import numpy as np
from revsearch.errors import CorruptArtifact
from revsearch.index.hnsw import HnswGraph

path, bits = Path(sys.argv[1]), json.load(sys.stdin)
data = np.fromfile(path, np.uint8)
queries = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
seen = []
for bit in bits:
    flipped = data.copy()
    flipped[bit // 8] ^= 1 << bit % 8
    flipped.tofile(path)
    print(bit, file=sys.stderr, flush=True)  # the last line names the bit that killed the process
    try:
        graph = HnswGraph.load(path, n=600, dim=16, metric="cosine")
        hits = graph.search(queries, 10, ef=600)
        found = hits.rows[~hits.short]
        seen.append(False)
        if ((found < 0) | (found >= 600)).any() or not np.isfinite(hits.scores[~hits.short]).all():
            sys.exit(f"bit {bit}: rows or scores that cannot be")
    except CorruptArtifact:
        seen.append(True)
json.dump(seen, sys.stdout)
"""


def flip(saved, tmp_path, bits):
    """Load the graph and search in it with each bit flipped alone; say which flips were seen."""
    path = tmp_path / "flipped.bin"
    path.write_bytes(saved.read_bytes())
    command = [sys.executable, "-c", FLIP, str(path)]
    done = subprocess.run(command, input=json.dumps(bits), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-200:]
    return np.array(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("first_byte", "last_byte", "n_flips", "least_seen"),
    [
        (0, HEADER.itemsize - 8, (HEADER.itemsize - 8) * 8, 0.98),  # not the last digits of mult, nor ef_construction
        (HEADER.itemsize, NODES_END, 500, 0.5),  # links that stay in range and low bits of vectors cannot be seen
        (NODES_END, None, 500, 0.5),
    ],
)
def test_no_flipped_bit_crashes_a_search(saved, tmp_path, first_byte, last_byte, n_flips, least_seen):
    """The checksum sees every flip before this is asked; this is what holds without it."""
    bits = np.arange(first_byte * 8, (last_byte or saved.stat().st_size) * 8)
    chosen = np.sort(np.random.default_rng(0).permutation(bits)[:n_flips])
    seen = flip(saved, tmp_path, chosen.tolist())
    assert len(seen) == n_flips
    assert seen.mean() >= least_seen

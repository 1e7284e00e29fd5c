import numpy as np
import pytest

from revsearch.index.graph_file import HEADER, map_nodes, map_upper_levels, node_dtype, read_header
from revsearch.index.hnsw import HnswGraph


@pytest.fixture
def saved(clustered, metric, tmp_path):
    path = tmp_path / "graph.bin"
    vectors = clustered(300, 12).gallery(metric)
    HnswGraph.build(vectors, metric, M=5, ef_construction=30, seed=0, threads=2).save(path)
    return path, vectors


def test_the_header_says_what_was_built(saved):
    header = read_header(saved[0])
    assert (header["cur_element_count"], header["M"], header["ef_construction"]) == (300, 5, 30)
    assert header["size_data_per_element"] == node_dtype(5, 12).itemsize


def test_nodes_hold_the_vectors_under_their_labels(saved):
    path, vectors = saved
    nodes = map_nodes(path, n=300, dim=12)
    assert sorted(nodes["label"].tolist()) == list(range(300))
    assert np.array_equal(nodes["vector"], vectors[nodes["label"]])


def test_header_nodes_and_upper_levels_are_the_whole_file(saved):
    path, _ = saved
    nodes, words = map_nodes(path, n=300, dim=12), map_upper_levels(path, n=300, dim=12)
    assert HEADER.itemsize + nodes.nbytes + words.nbytes == path.stat().st_size

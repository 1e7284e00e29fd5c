import numpy as np
import pytest

from revsearch.embeddings import normalise
from revsearch.index.closeness import key_noise, keys, keys_to_scores, pair_scores, scores_to_keys
from revsearch.index.indexable import squared_lengths


@pytest.mark.parametrize("dim", [96, 512, 2048])
def test_float32_keys_are_off_by_less_than_the_noise(clustered, metric, dim):
    data = clustered(2000, dim)
    gallery = data.gallery(metric)
    queries = normalise(data.queries) if metric == "cosine" else data.queries
    lengths = squared_lengths(gallery)
    quick = keys(queries, gallery, lengths, metric)
    true = keys(queries.astype(np.float64), gallery.astype(np.float64), lengths, metric)
    noise = key_noise(squared_lengths(queries), lengths.max(), dim, metric)
    assert (np.abs(quick - true) <= noise[:, None]).all()


def test_keys_and_scores_say_the_same(clustered, metric):
    data = clustered(60, 16, n_queries=60)
    gallery, asked = data.gallery(metric), squared_lengths(data.queries)
    lengths = squared_lengths(gallery)
    wide = keys(data.queries.astype(np.float64), gallery.astype(np.float64), lengths, metric)
    scores = keys_to_scores(wide, asked, lengths, metric)
    assert np.allclose(scores_to_keys(scores[:, 3], asked, metric), wide[:, 3], rtol=1e-5, atol=1e-4)
    pairs = pair_scores(data.queries, np.broadcast_to(gallery, (60, 60, 16)), metric)
    assert np.allclose(pairs, scores, rtol=1e-6, atol=1e-6)

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from revsearch.model.candidates import chosen, embed, mixed, reconstruct, save_weights, weights_of
from revsearch.model.embedder import embedder
from revsearch.model.planned import planned_space
from tests.model.training import SMALL, batch, learner


def test_weights_between_start_and_trained_are_their_weighted_mean() -> None:
    trained = learner(SMALL["classifier"])
    for step in range(3):
        trained.learn(batch(step))
    start, end = trained.start.state_dict(), trained.trainee.state_dict()
    for share in (0.25, 0.5, 1.0):
        for name, value in mixed(trained, share).state_dict().items():
            torch.testing.assert_close(value, (1 - share) * start[name] + share * end[name], rtol=1e-5, atol=1e-7)


def test_mixing_leaves_the_run_as_it_was() -> None:
    trained = learner(SMALL["classifier"])
    trained.learn(batch(0))
    before = copy.deepcopy(trained.trainee.state_dict())
    mixed(trained, 0.5)
    assert trained.trainee.training
    assert all(torch.equal(value, before[name]) for name, value in trained.trainee.state_dict().items())


def test_several_networks_embed_what_each_would_by_itself() -> None:
    trained = learner(SMALL["autoencoder"])
    trained.learn(batch(0))
    networks = [trained.start, mixed(trained, 1.0)]
    both = embed(networks, [batch(1), batch(2)], "cpu")
    for network, found in zip(networks, both, strict=True):
        views = torch.cat([batch(1).views, batch(2).views])
        with torch.no_grad():
            output = network.eval()(views)
        np.testing.assert_allclose(found.vectors, output.embeddings.numpy(), rtol=1e-4, atol=1e-5)
        errors = [float((a - b / 255).square().mean()) for a, b in zip(output.rebuilt, views, strict=True)]
        assert found.errors == pytest.approx(errors, rel=1e-4)


def test_nothing_to_embed_is_nothing() -> None:
    (found,) = embed([learner(SMALL["classifier"]).start], [], "cpu")
    assert found.vectors.size == 0
    assert found.errors is None


def test_what_is_saved_is_the_encoder_of_its_space(tmp_path: Path) -> None:
    spec = SMALL["classifier"]
    trained = learner(spec)
    for step in range(3):
        trained.learn(batch(step))
    best = weights_of(trained.trainee)
    network = chosen(trained, best)
    save_weights(network, tmp_path / "weights.safetensors")
    loaded = embedder(planned_space(spec, None), tmp_path / "weights.safetensors")
    with torch.no_grad():
        x = network.normalise.planes(batch(5).views)
        torch.testing.assert_close(loaded(x), network(batch(5).views).embeddings, rtol=1e-4, atol=2e-5)


def test_without_a_better_candidate_the_start_is_handed_out() -> None:
    trained = learner(SMALL["classifier"])
    trained.learn(batch(0))
    found = chosen(trained, None)
    assert all(torch.equal(value, trained.start.state_dict()[name]) for name, value in found.state_dict().items())


def test_a_reconstruction_is_a_picture_beside_its_original() -> None:
    originals, rebuilt = reconstruct(learner(SMALL["autoencoder"]).start, batch(0), "cpu")
    assert originals.shape == rebuilt.shape == (8, 32, 32, 3)
    assert originals.dtype == rebuilt.dtype == np.uint8
    np.testing.assert_array_equal(originals, batch(0).views.permute(0, 2, 3, 1).numpy())
    with pytest.raises(ValueError, match="without a decoder"):
        reconstruct(learner(SMALL["classifier"]).start, batch(0), "cpu")

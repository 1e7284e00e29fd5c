"""A small run that learns: pictures of a few colours, a tiny network, and the batches between them."""

from dataclasses import replace

import torch

from revsearch.model.learner import Learner
from revsearch.model.loader import Batch
from revsearch.model.objective import build_objective
from revsearch.model.peers import Peers
from revsearch.model.planned import planned_space
from revsearch.model.trainee import start_trainee
from revsearch.train_specs import AutoencoderSpec, ClassifierSpec, TrainSpec, TripletAutoencoderSpec

N_CLASSES, SIDE = 4, 32
SMALL = {
    "classifier": ClassifierSpec("m", width=4, image_size=SIDE, batch_size=8, lr=3e-3),
    "autoencoder": AutoencoderSpec("m", width=4, dim=8, image_size=SIDE, batch_size=8, lr=3e-3),
    "triplet-autoencoder": TripletAutoencoderSpec(
        "m",
        width=4,
        dim=8,
        image_size=SIDE,
        batch_size=8,
        images_per_class=2,
        lr=3e-3,
        triplet_weight=1.0,
        miner="hard",
    ),
}


def batch(number: int, n: int = 8) -> Batch:
    """Pictures of a class have its colour, with noise; the same for the same number."""
    generator = torch.Generator().manual_seed(number)
    classes = torch.arange(N_CLASSES).repeat_interleave(n // N_CLASSES)
    colours = torch.randint(40, 216, (N_CLASSES, 3, 1, 1), generator=torch.Generator().manual_seed(99))
    noise = torch.randint(-30, 31, (n, 3, SIDE, SIDE), generator=generator)
    return Batch((colours[classes] + noise).clamp(0, 255).byte(), classes, classes.numpy())


def learner(spec: TrainSpec, *, n_steps: int = 40, peers: Peers | None = None, **changed: object) -> Learner:
    """A learner before its first step."""
    spec = replace(spec, **changed)
    space = planned_space(spec, None)
    trainee = start_trainee(spec, space, None, None, "cpu")
    objective = build_objective(spec, space.dim, N_CLASSES)
    return Learner(trainee, objective, spec, n_steps=n_steps, device="cpu", peers=peers or Peers())

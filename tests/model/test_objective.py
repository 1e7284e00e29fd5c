from typing import Any

import pytest
import torch
from torch.nn.functional import cosine_similarity

from revsearch.model.losses import TripletTerm
from revsearch.model.objective import build_objective
from revsearch.train_specs import (
    AutoencoderSpec,
    ClassifierSpec,
    ContrastiveSpec,
    TrainSpec,
    TripletAutoencoderSpec,
    TripletSpec,
)

RANDOM = torch.Generator().manual_seed(0)
CLASSES = torch.tensor([0, 0, 1, 1, 2, 2])
EMBEDDINGS = torch.randn(6, 8, generator=RANDOM)
START = torch.randn(6, 8, generator=RANDOM)
VIEWS = torch.randint(0, 256, (3, 3, 4, 4), dtype=torch.uint8, generator=RANDOM)
REBUILT = torch.rand(3, 3, 4, 4, generator=RANDOM)
ABLE: dict[str, Any] = {"rebuilt": REBUILT, "views": VIEWS, "start": START}
SPECS: dict[str, TrainSpec] = {
    "autoencoder": AutoencoderSpec("m"),
    "triplet-autoencoder": TripletAutoencoderSpec("m"),
    "triplet": TripletSpec("m"),
    "contrastive": ContrastiveSpec("m"),
    "classifier": ClassifierSpec("m"),
} | {loss: TripletSpec("m", loss=loss) for loss in ("multi-similarity", "arcface", "proxy-anchor", "nt-xent")}  # type: ignore[arg-type]  # literals
PARTS = {
    "autoencoder": ["reconstruction"],
    "triplet-autoencoder": ["triplet", "reconstruction"],
    "classifier": ["classification"],
}


@pytest.mark.parametrize("name", SPECS)
def test_every_preset_and_loss_gives_a_gradient(name: str) -> None:
    objective = build_objective(SPECS[name], 8, 3)
    embeddings, rebuilt = EMBEDDINGS.clone().requires_grad_(), REBUILT.clone().requires_grad_()

    measured = objective(embeddings, CLASSES, rebuilt=rebuilt, views=VIEWS, start=START)
    measured.loss.backward()

    assert measured.loss.ndim == 0
    assert list(measured.parts) == PARTS.get(name, [name])
    assert not any(part.requires_grad for part in measured.parts.values())
    assert (embeddings.grad is not None) == (name != "autoencoder")
    assert (rebuilt.grad is not None) == ("reconstruction" in measured.parts)
    assert all(parameter.grad is not None for parameter in objective.parameters())


@pytest.mark.parametrize("name", ["arcface", "proxy-anchor", "classifier"])
def test_its_own_weights_come_from_the_seed_and_leave_torch_s_generator_alone(name: str) -> None:
    before = torch.get_rng_state()
    one, two = (build_objective(SPECS[name], 8, 3).state_dict() for _ in range(2))
    other = build_objective(type(SPECS[name])("m", seed=1, **loss_of(name)), 8, 3).state_dict()
    assert one
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("kind", "power"), [("mse", 2), ("l1", 1)])
def test_reconstruction_is_held_against_pixels_in_0_to_1(kind: Any, power: int) -> None:
    differences = (REBUILT - VIEWS / 255).abs().flatten().tolist()
    expected = sum(each**power for each in differences) / len(differences)
    measured = build_objective(AutoencoderSpec("m", reconstruction=kind), 8, 0)(EMBEDDINGS, CLASSES, **ABLE)
    assert measured.loss.item() == pytest.approx(expected, rel=1e-5)
    assert (measured.n_distinct_triplets, measured.active_share, measured.at_margin) == (None, None, None)


def test_triplet_autoencoder_adds_its_weighted_triplets() -> None:
    spec = TripletAutoencoderSpec("m", triplet_weight=0.3, miner="all", margin=0.5, distance="cosine")
    term = TripletTerm("all", "cosine", 0.5)(EMBEDDINGS, CLASSES)
    measured = build_objective(spec, 8, 3)(EMBEDDINGS, CLASSES, **ABLE)
    assert measured.parts["triplet"].item() == pytest.approx(term.value.item())
    assert measured.loss.item() == pytest.approx(
        0.3 * term.value.item() + measured.parts["reconstruction"].item(), rel=1e-6
    )
    assert measured.n_distinct_triplets == term.n_distinct_triplets == 24  # 6 anchors, 1 positive, 4 negatives
    assert (measured.active_share, measured.at_margin) == (term.active_share, term.at_margin)


@pytest.mark.parametrize("spec", [TripletSpec("m", distil=2.0), ContrastiveSpec("m", distil=2.0)])
def test_distilling_keeps_near_the_start(spec: TrainSpec) -> None:
    away = 1 - cosine_similarity(EMBEDDINGS, START).mean().item()
    measured = build_objective(spec, 8, 3)(EMBEDDINGS, CLASSES, start=START)
    assert measured.parts["distil"].item() == pytest.approx(away, rel=1e-5)
    assert measured.loss.item() == pytest.approx(measured.parts[spec.preset].item() + 2 * away, rel=1e-5)


@pytest.mark.parametrize(
    ("spec", "given", "problem"),
    [
        (AutoencoderSpec("m"), {"views": VIEWS}, "reconstruction: expected views"),
        (TripletSpec("m", distil=1.0), {}, "distil: .*found None"),
        (TripletSpec("m", distil=1.0), {"start": START[:, :4]}, r"distil: .*\(6, 8\), found \(6, 4\)"),
    ],
)
def test_a_term_without_what_it_is_measured_on_is_refused(spec: TrainSpec, given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        build_objective(spec, 8, 3)(EMBEDDINGS, CLASSES, **given)


def test_a_spec_that_is_no_preset_is_refused() -> None:
    with pytest.raises(TypeError, match="TrainSpec"):
        build_objective(TrainSpec("m"), 8, 3)


def loss_of(name: str) -> dict[str, Any]:
    return {} if name == "classifier" else {"loss": name}

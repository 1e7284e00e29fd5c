from collections.abc import Callable
from itertools import product
from math import exp, log, log1p

import pytest
import torch
from torch.nn.functional import normalize

from revsearch.model.losses import ContrastiveTerm, TripletTerm
from revsearch.model.miners import build_miner
from revsearch.train_specs import Distance, Miner

TOLERANCE = 1e-4  # float32, and distances by a matrix product
CLASSES = torch.tensor([0, 1, 0, 2, 1, 0, 2])
EMBEDDINGS = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
UNIT = normalize(EMBEDDINGS).double()
PLACES = range(len(CLASSES))
SAME = torch.ones(7, 4)  # what a collapsed network gives
MINERS: tuple[Miner, ...] = ("all", "semihard", "hard")


def cosine(a: int, b: int) -> float:
    return float(UNIT[a] @ UNIT[b])


def euclidean(a: int, b: int) -> float:
    return float((UNIT[a] - UNIT[b]).norm())


FAR: dict[Distance, Callable[[int, int], float]] = {"cosine": lambda a, b: -cosine(a, b), "euclidean": euclidean}


def alike() -> list[tuple[int, int]]:
    return [(a, b) for a, b in product(PLACES, repeat=2) if a != b and CLASSES[a] == CLASSES[b]]


def others(a: int) -> list[int]:
    return [n for n in PLACES if CLASSES[n] != CLASSES[a]]


@pytest.mark.parametrize("margin", [None, 0.0, 0.3])
@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("miner", MINERS)
def test_triplet_loss(miner: Miner, distance: Distance, margin: float | None) -> None:
    mined = zip(*build_miner(miner, distance, margin)(EMBEDDINGS, CLASSES), strict=True)
    triplets = [(int(a), int(p), int(n)) for a, p, n in mined]
    excess = [FAR[distance](a, p) - FAR[distance](a, n) for a, p, n in triplets]
    losses = [log1p(exp(each)) if margin is None else max(0.0, each + margin) for each in excess]
    counted = losses if miner == "hard" else [each for each in losses if each > 0]
    active = [each + (margin or 0) > 0 or (margin is None and miner == "semihard") for each in excess]

    term = TripletTerm(miner, distance, margin)(EMBEDDINGS, CLASSES)

    assert term.value.item() == pytest.approx(sum(counted) / max(1, len(counted)), abs=TOLERANCE)
    assert term.n_distinct_triplets == len(triplets)
    assert term.active_share == pytest.approx(sum(active) / max(1, len(active)))
    assert term.at_margin is False


@pytest.mark.parametrize(("margin", "pinned"), [(None, log(2)), (0.3, 0.3)])
@pytest.mark.parametrize("miner", ["all", "hard"])
def test_equal_embeddings_give_the_margin(miner: Miner, margin: float | None, pinned: float) -> None:
    term = TripletTerm(miner, "euclidean", margin)(SAME, CLASSES)
    assert term.value.item() == pytest.approx(pinned, abs=1e-3)
    assert term.at_margin is True


@pytest.mark.parametrize("miner", MINERS)
def test_a_batch_without_triplets_has_no_loss_but_a_gradient(miner: Miner) -> None:
    embeddings = EMBEDDINGS.clone().requires_grad_()
    term = TripletTerm(miner, "euclidean", 0.2)(embeddings, torch.zeros(7, dtype=torch.int64))
    term.value.backward()
    assert (term.value.item(), term.n_distinct_triplets, term.active_share, term.at_margin) == (0, 0, 0, False)
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


@pytest.mark.parametrize(("positive_margin", "negative_margin"), [(0.0, 1.0), (0.7, 1.6), (1.9, 2.0)])
def test_contrastive_loss(positive_margin: float, negative_margin: float) -> None:
    near = [max(0.0, euclidean(a, b) - positive_margin) for a, b in alike()]
    far = [max(0.0, negative_margin - euclidean(a, n)) for a in PLACES for n in others(a)]
    active = [each for each in near + far if each > 0]
    expected = sum(sum(each) / max(1, sum(loss > 0 for loss in each)) for each in (near, far))

    term = ContrastiveTerm(positive_margin, negative_margin)(EMBEDDINGS, CLASSES)

    assert term.value.item() == pytest.approx(expected, abs=TOLERANCE)
    assert term.active_share == pytest.approx(len(active) / len(near + far))
    assert (term.n_distinct_triplets, term.at_margin) == (None, False)


def test_contrastive_loss_of_equal_embeddings_is_its_margin() -> None:
    term = ContrastiveTerm(0.0, 0.8)(SAME, CLASSES)
    assert term.value.item() == pytest.approx(0.8, abs=1e-3)
    assert term.at_margin is True

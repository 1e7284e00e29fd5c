from itertools import product
from math import exp, log, log1p

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from revsearch.model.similarity_losses import MultiSimilarityTerm, NTXentTerm

CLASSES = torch.tensor([0, 1, 0, 2, 1, 0, 2])
EMBEDDINGS = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
UNIT = normalize(EMBEDDINGS).double()
PLACES = range(len(CLASSES))


def cosine(a: int, b: int) -> float:
    return float(UNIT[a] @ UNIT[b])


def alike() -> list[tuple[int, int]]:
    return [(a, b) for a, b in product(PLACES, repeat=2) if a != b and CLASSES[a] == CLASSES[b]]


def others(a: int) -> list[int]:
    return [n for n in PLACES if CLASSES[n] != CLASSES[a]]


def test_multi_similarity_loss() -> None:
    """Wang et al. 2019, equation 6, all pairs, alpha 2, beta 50, lambda 0.5."""
    total = 0.0
    for a in PLACES:
        near = sum(exp(-2 * (cosine(a, p) - 0.5)) for i, p in alike() if i == a)
        far = sum(exp(50 * (cosine(a, n) - 0.5)) for n in others(a))
        total += log1p(near) / 2 + log1p(far) / 50
    assert value_of(MultiSimilarityTerm()) == pytest.approx(total / len(CLASSES), abs=1e-5)


@pytest.mark.parametrize("at_once", [1, 14, 4096], ids=["1 anchor", "2 anchors", "all anchors"])
def test_nt_xent_loss(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each alike pair against the anchor's negatives, temperature 0.07; however many anchors at once."""
    monkeypatch.setattr("revsearch.model.similarity_losses._AT_ONCE", at_once)
    losses = []
    for a, p in alike():
        near, far = exp(cosine(a, p) / 0.07), sum(exp(cosine(a, n) / 0.07) for n in others(a))
        losses.append(-log(near / (near + far)))
    assert value_of(NTXentTerm()) == pytest.approx(sum(losses) / len(losses), abs=1e-5)


@pytest.mark.parametrize("classes", [[0] * 7, [0, 1, 2, 3, 4, 5, 6]], ids=["one class", "each alone"])
def test_nt_xent_without_pairs_has_no_loss_but_a_gradient(classes: list[int]) -> None:
    embeddings = EMBEDDINGS.clone().requires_grad_()
    value = NTXentTerm()(embeddings, torch.tensor(classes)).value
    value.backward()
    assert value.item() == 0
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


def value_of(term: nn.Module) -> float:
    measured = term(EMBEDDINGS, CLASSES)
    assert (measured.n_distinct_triplets, measured.active_share, measured.at_margin) == (None, None, None)
    return float(measured.value.item())

from math import acos, cos, exp, log, log1p, pi, radians, sin

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from revsearch.model.class_losses import ClassTerm, ProxyTerm

TOLERANCE = 1e-4  # float32
CLASSES = torch.tensor([0, 1, 0, 2, 1, 0, 2])
EMBEDDINGS = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
UNIT = normalize(EMBEDDINGS).double()
PLACES = range(len(CLASSES))


def test_arcface_loss() -> None:
    """Deng et al. 2019, scale 64, margin 28.6 degrees, still falling where angle and margin exceed 180 degrees."""
    term = ProxyTerm("arcface", 4, 3)
    centres = normalize(one_weight(term).T).double()
    losses = []
    for place, its in enumerate(CLASSES.tolist()):
        cosines = [float(UNIT[place] @ centre) for centre in centres]
        angle, margin = acos(cosines[its]), radians(28.6)
        cosines[its] = cos(angle + margin) if angle <= pi - margin else cosines[its] - margin * sin(margin)
        losses.append(log(sum(exp(64 * (each - cosines[its])) for each in cosines)))
    assert value_of(term) == pytest.approx(sum(losses) / len(losses), rel=TOLERANCE)


def test_proxy_anchor_loss() -> None:
    """Kim et al. 2020, equation 4, alpha 32, delta 0.1."""
    term = ProxyTerm("proxy-anchor", 4, 3)
    near, far = 0.0, 0.0
    for its, proxy in enumerate(normalize(one_weight(term)).double()):
        similar = [float(UNIT[place] @ proxy) for place in PLACES]
        near += log1p(sum(exp(-32 * (similar[place] - 0.1)) for place in PLACES if CLASSES[place] == its))
        far += log1p(sum(exp(32 * (similar[place] + 0.1)) for place in PLACES if CLASSES[place] != its))
    assert value_of(term) == pytest.approx(near / 3 + far / 3, rel=TOLERANCE)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_classifier_takes_embeddings_as_they_are(smoothing: float) -> None:
    term = ClassTerm(4, 3, smoothing)
    weight, bias = (parameter.detach() for parameter in term.parameters())
    losses = []
    for embedding, its in zip(EMBEDDINGS, CLASSES.tolist(), strict=True):
        probabilities = (weight @ embedding + bias).softmax(0).tolist()
        targets = [smoothing / 3 + (1 - smoothing) * (number == its) for number in range(3)]
        losses.append(-sum(target * log(p) for target, p in zip(targets, probabilities, strict=True)))
    assert value_of(term) == pytest.approx(sum(losses) / len(losses), abs=TOLERANCE)


def value_of(term: nn.Module) -> float:
    measured = term(EMBEDDINGS, CLASSES)
    assert (measured.n_distinct_triplets, measured.active_share, measured.at_margin) == (None, None, None)
    return float(measured.value.item())


def one_weight(term: nn.Module) -> Tensor:
    (weight,) = term.parameters()
    return weight.detach()

from itertools import product
from math import inf

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from revsearch.model.miners import SEMIHARD_WINDOW, Triplets, build_miner, count_distinct
from revsearch.train_specs import Distance

CLASSES = torch.tensor([0, 1, 0, 2, 1, 0, 3])  # 3 is alone in its class
EMBEDDINGS = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
DISTANCES: tuple[Distance, ...] = ("cosine", "euclidean")


def naive_distance(distance: Distance, left: Tensor, right: Tensor) -> float:
    left, right = normalize(left, dim=0), normalize(right, dim=0)
    return float(1 - left @ right if distance == "cosine" else (left - right).norm())


def naive_all(classes: Tensor) -> list[tuple[int, int, int]]:
    places = range(len(classes))
    return [(a, p, n) for a, p, n in product(places, repeat=3) if a != p and classes[a] == classes[p] != classes[n]]


def naive_excess(distance: Distance, a: int, p: int, n: int) -> float:
    near, far = (naive_distance(distance, EMBEDDINGS[a], EMBEDDINGS[each]) for each in (p, n))
    return near - far


def listed(triplets: Triplets) -> list[tuple[int, int, int]]:
    return sorted(zip(*(places.tolist() for places in triplets), strict=True))


@pytest.mark.parametrize("distance", DISTANCES)
def test_all_are_all(distance: Distance) -> None:
    assert listed(build_miner("all", distance, None)(EMBEDDINGS, CLASSES)) == naive_all(CLASSES)


@pytest.mark.parametrize("margin", [None, 0.3, 0.5])
@pytest.mark.parametrize("distance", DISTANCES)
def test_semihard_negatives_are_farther_but_within_the_margin(distance: Distance, margin: float | None) -> None:
    window = SEMIHARD_WINDOW if margin is None else margin
    expected = [each for each in naive_all(CLASSES) if -window <= naive_excess(distance, *each) < 0]
    assert listed(build_miner("semihard", distance, margin)(EMBEDDINGS, CLASSES)) == expected
    assert expected


@pytest.mark.parametrize("distance", DISTANCES)
def test_hard_is_the_worst_of_each_anchor(distance: Distance) -> None:
    worst: dict[int, tuple[float, tuple[int, int, int]]] = {}
    for triplet in naive_all(CLASSES):
        excess = naive_excess(distance, *triplet)
        worst[triplet[0]] = max(worst.get(triplet[0], (-inf, triplet)), (excess, triplet))
    assert listed(build_miner("hard", distance, None)(EMBEDDINGS, CLASSES)) == sorted(
        each for _, each in worst.values()
    )


@pytest.mark.parametrize("miner", ["all", "semihard", "hard"])
@pytest.mark.parametrize("classes", [[0] * 7, [0, 1, 2, 3, 4, 5, 6]], ids=["one class", "each alone"])
def test_no_triplets_where_there_can_be_none(miner: str, classes: list[int]) -> None:
    assert listed(build_miner(miner, "euclidean", 0.2)(EMBEDDINGS, torch.tensor(classes))) == []  # type: ignore[arg-type]  # parametrised


def test_doubles_count_once() -> None:
    triplets = (torch.tensor([0, 0, 1, 0]), torch.tensor([1, 1, 0, 1]), torch.tensor([2, 2, 2, 3]))
    assert count_distinct(triplets, 4) == 3

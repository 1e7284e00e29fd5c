import pickle

import numpy as np
import pytest

from revsearch.metric_rules import FULL_RANK, N_S, served_metrics

HITS = np.array([[True, False, True, False, False], [False, False, False, False, True]])
R = np.array([2, 4])


@pytest.mark.parametrize(
    ("depth", "names"),
    [
        (0, []),
        (1, ["hit_rate_at_1", "precision_at_1", "recall_at_1", "ap_at_1"]),
        (
            5,
            [
                *("hit_rate_at_1", "hit_rate_at_3", "hit_rate_at_5", "precision_at_1", "precision_at_5"),
                *("recall_at_1", "recall_at_5", "ap_at_5"),
            ],
        ),
    ],
)
def test_no_metric_goes_deeper_than_the_lists(depth: int, names: list[str]) -> None:
    assert [rule.name for rule in served_metrics(depth)] == names


def test_lists_of_a_hundred_have_their_own_recall_and_precision() -> None:
    assert {"recall_at_100", "ap_at_100", "hit_rate_at_10"} <= {rule.name for rule in served_metrics(100)}


def test_served_rules_compute_what_they_are_named() -> None:
    figures = {rule.name: rule.compute(HITS, R).tolist() for rule in served_metrics(5)}
    assert figures["hit_rate_at_3"] == [1.0, 0.0]
    assert figures["precision_at_5"] == [0.4, 0.2]
    assert figures["recall_at_5"] == [1.0, 0.25]
    assert figures["ap_at_5"] == pytest.approx([(1 + 2 / 3) / 2, 0.2 / 4])


def test_rules_travel_to_workers() -> None:
    for rule in (*served_metrics(10), *FULL_RANK, *N_S):
        copy = pickle.loads(pickle.dumps(rule))
        asked = (HITS.repeat(2, axis=1), R) if rule.source == "served" else (np.array([0, 2, 1, 3, 4, 9]), R)
        assert np.array_equal(copy.compute(*asked), rule.compute(*asked))


def test_every_rule_has_its_own_name_and_a_convention() -> None:
    rules = (*served_metrics(10), *FULL_RANK, *N_S)
    assert len({rule.name for rule in rules}) == len(rules)
    assert all(rule.convention for rule in rules)
    assert [rule.name for rule in rules if rule.self_in] == ["ns4_self_in"]

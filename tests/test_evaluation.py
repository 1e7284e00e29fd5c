import json
import math

import numpy as np
import pytest

from revsearch.errors import InvalidSpec
from revsearch.evaluation import Evaluation, MetricValue, summarise
from revsearch.metric_rules import FULL_RANK, served_metrics
from revsearch.significance import Bootstrap

RULES = (served_metrics(1)[0], FULL_RANK[0])
BOOTSTRAP = Bootstrap(200, seed=0)
LABELS = np.array(["cat", "dog", "cat", None], object)
FIGURES = {"hit_rate_at_1": np.array([1.0, 0.0, 1.0, 0.0]), "ap_plain": np.array([0.5, 0.1, 0.7, 0.3])}


def summary(labels: np.ndarray | None = LABELS) -> Evaluation:
    return summarise(RULES, FIGURES, labels, {"n_empty_queries": 2}, BOOTSTRAP, {"relevant": "the same label"})


def test_means_carry_count_source_and_interval() -> None:
    found = summary().metrics
    assert list(found) == ["hit_rate_at_1", "ap_plain"]
    assert found["hit_rate_at_1"].value == 0.5
    assert found["ap_plain"].value == pytest.approx(0.4)
    assert [(metric.n, metric.source) for metric in found.values()] == [(4, "served"), (4, "exact")]
    assert all(metric.low <= metric.value <= metric.high for metric in found.values())


def test_slices_are_by_class_and_by_name() -> None:
    slices = summary().slices
    assert list(slices) == ["cat", "dog"]
    assert slices["cat"]["ap_plain"].value == pytest.approx(0.6)
    assert slices["dog"]["hit_rate_at_1"] == MetricValue(0.0, 0.0, 0.0, 1, "served")


def test_counts_and_conventions_say_what_was_done() -> None:
    found = summary()
    assert found.counts == {"n_queries": 4, "n_empty_queries": 2}
    assert set(found.conventions) == {*found.metrics, "empty_queries", "interval", "relevant"}
    assert "over classes" in found.conventions["interval"]
    assert "over queries" in summary(labels=None).conventions["interval"]


def test_without_labels_there_are_no_slices() -> None:
    assert summary(labels=None).slices == {}


def test_the_whole_draws_classes() -> None:
    """Classes that agree within and differ between make the interval wider than queries on their own would."""
    labels = np.repeat(np.array(["a", "b", "c", "d"], object), 25)
    figures = {name: np.repeat([0.0, 1.0, 0.0, 1.0], 25) for name in FIGURES}
    widths = []
    for some in (labels, None):
        value = summarise(RULES, figures, some, {}, BOOTSTRAP, {}).metrics["ap_plain"]
        widths.append(value.high - value.low)
    assert widths[0] > 2 * widths[1]


def test_no_queries_give_counts_and_no_figures() -> None:
    nothing = {name: np.empty(0) for name in FIGURES}
    found = summarise(RULES, nothing, np.empty(0, object), {"n_empty_queries": 7}, BOOTSTRAP, {})
    assert (found.metrics, found.slices, found.counts) == ({}, {}, {"n_queries": 0, "n_empty_queries": 7})


def test_plain_values_are_those_of_json() -> None:
    found = summary()
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain == found.to_dict()
    assert {name: MetricValue(**value) for name, value in plain["metrics"].items()} == found.metrics


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_is_refused(bad: float) -> None:
    with pytest.raises(InvalidSpec, match="expected finite numbers"):
        MetricValue(0.5, bad, 0.6, 3, "exact")


def test_a_metric_without_a_convention_is_refused() -> None:
    with pytest.raises(InvalidSpec, match=r"found none of \['ap'\]"):
        Evaluation({"ap": MetricValue(0.5, 0.4, 0.6, 3, "exact")})

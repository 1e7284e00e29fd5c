import numpy as np
import pytest

from revsearch.manifest import Manifest, Strings
from revsearch.protocols import resolve, rules
from revsearch.specs import Protocol


def column(*values: str | None) -> Strings:
    return np.array(values, object)


def manifest(ids: Strings, roles: Strings, labels: Strings, groups: Strings) -> Manifest:
    n = len(ids)
    return Manifest(ids, column(*[None] * n), np.zeros((n, 32), np.uint8), np.zeros(n, np.int64), roles, labels, groups)


NONE = column(None, None, None)
ROLES = column("gallery", "distractor", "query")


@pytest.mark.parametrize("name", ["competition", "all-vs-all"])
def test_labels_match_and_distractors_do_not(name: Protocol) -> None:
    rows = manifest(column("a", "b", "c"), ROLES, column("cat", "cat", "dog"), NONE)
    assert rules(name).keys(rows).tolist() == ["cat", None, "dog"]
    assert rows.labels.tolist() == ["cat", "cat", "dog"]


@pytest.mark.parametrize("name", ["competition", "all-vs-all", "ukbench"])
def test_groups_are_finer_than_labels(name: Protocol) -> None:
    rows = manifest(column("a", "b", "c"), ROLES, column("cat", "cat", "dog"), column("g1", "g2", None))
    assert rules(name).keys(rows).tolist() == ["g1", None, None]


def test_ukbench_groups_four_names_in_order() -> None:
    order = np.random.default_rng(0).permutation(10)
    ids = column(*[f"ukbench{index:05d}.jpg" for index in order])
    none = column(*[None] * 10)
    found = rules("ukbench").keys(manifest(ids, column(*["gallery"] * 10), none, none))
    assert found.tolist() == [str(index // 4) for index in order]


@pytest.mark.parametrize(
    ("asked", "own", "meant"),
    [
        ("auto", [0, 1], "all-vs-all"),
        ("auto", [-1, -1], "competition"),
        ("auto", [0, -1], "competition"),
        ("auto", [], "competition"),
        ("ukbench", [-1], "ukbench"),
    ],
)
def test_auto_looks_at_where_the_queries_lie(asked: Protocol, own: list[int], meant: Protocol) -> None:
    assert resolve(asked, np.array(own, int)) == meant


def test_only_ukbench_has_n_s_scores() -> None:
    names = {name: [rule.name for rule in rules(name).exact] for name in ("competition", "all-vs-all", "ukbench")}
    assert names["competition"] == names["all-vs-all"] == ["ap_plain", "ap_trapezoid", "map_at_r", "r_precision"]
    assert names["ukbench"] == ["ns4_self_in", "ns3_self_out", *names["competition"]]

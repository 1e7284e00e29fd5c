"""Which rows may be trained on, and what their classes are."""

import numpy as np
import pytest

from revsearch.errors import InvalidSpec
from revsearch.manifest import Strings
from revsearch.training_set import TrainingSet, class_names, training_rows


def column(*values: str | None) -> Strings:
    found = np.empty(len(values), object)
    found[:] = values
    return found


@pytest.mark.parametrize(
    ("roles", "rows"),
    [
        (("gallery", "train", "query", "train"), [1, 3]),
        (("gallery", "query", "gallery", "distractor"), [0, 2]),
    ],
)
def test_train_rows_else_those_of_the_gallery(roles: tuple[str, ...], rows: list[int]) -> None:
    found = training_rows(column(*roles))
    assert found.tolist() == rows
    assert found.dtype == np.int64


def test_no_rows_to_train_on() -> None:
    with pytest.raises(InvalidSpec, match=r"role train or gallery, found none.*--role train"):
        training_rows(column("query", "distractor"))


def test_a_class_is_a_label_or_a_group() -> None:
    labels, groups, nothing = column("a", "a", None), column("x", None, "y"), column(None, None, None)
    assert class_names(labels, groups, "label").tolist() == ["a", "a", None]
    assert class_names(labels, groups, "group").tolist() == ["x", None, "y"]
    assert class_names(labels, groups, "auto").tolist() == ["x", None, "y"]
    assert class_names(labels, nothing, "auto").tolist() == ["a", "a", None]


def test_rejected_rows_leave_without_moving_the_others() -> None:
    whole = TrainingSet(
        rows=np.array([0, 1, 2, 5]),
        classes=np.array([0, 0, 1, 1]),
        validation_rows=np.array([3, 4]),
        validation_classes=np.array([2, 2]),
        left_out=np.array([6, 7]),
        names=("a", "b", "c"),
        n_classes=2,
    )
    left = whole.without(np.array([1, 4, 7]))
    assert (left.rows.tolist(), left.classes.tolist()) == ([0, 2, 5], [0, 1, 1])
    assert (left.validation_rows.tolist(), left.validation_classes.tolist()) == ([3], [2])
    assert (left.left_out.tolist(), left.names, left.n_classes) == ([6], ("a", "b", "c"), 2)
    with pytest.raises(InvalidSpec, match=r"no image of 1 classes can be read, first: \['a'\]"):
        whole.without(np.array([0, 1]))
    with pytest.raises(InvalidSpec, match="held out for validation"):
        whole.without(np.array([3, 4]))

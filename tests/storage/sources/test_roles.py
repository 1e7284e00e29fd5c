from pathlib import Path

import pytest

from revsearch.manifest import Role
from revsearch.specs import Labels
from revsearch.storage.sources import assign_roles_and_labels, list_folder


def assigned(*ids: str, role: Role | None = None, labels: Labels = "auto") -> list[tuple[str, str | None]]:
    roles, found = assign_roles_and_labels(ids, role=role, labels=labels)
    return list(zip(roles, found, strict=True))


def test_class_folders_are_labels_in_the_gallery() -> None:
    assert assigned("ape/1.jpg", "bear/2.jpg") == [("gallery", "ape"), ("gallery", "bear")]


def test_role_folders_give_roles_and_labels_are_read_below_them() -> None:
    assert assigned("Queries/ape/1.jpg", "gallery/bear/2.jpg", "train/ape/3.jpg", "distractors/4.jpg") == [
        ("query", "ape"),
        ("gallery", "bear"),
        ("train", "ape"),
        ("distractor", None),
    ]


def test_one_other_top_folder_and_none_is_a_role() -> None:
    assert assigned("query/1.jpg", "ape/2.jpg") == [("gallery", "query"), ("gallery", "ape")]


def test_images_beside_role_folders_are_gallery_without_label() -> None:
    assert assigned("1.jpg", "query/2.jpg") == [("gallery", None), ("query", None)]


@pytest.mark.parametrize("labels", ["auto", "parent", "top", "none"])
@pytest.mark.parametrize("role", [None, "gallery", "query", "train"])
def test_a_distractor_folder_among_classes_has_that_role_and_no_label(role: Role | None, labels: Labels) -> None:
    found = assigned("ape/1.jpg", "distractor/2.jpg", "bear/Distractors/3.jpg", role=role, labels=labels)
    assert found[1:] == [("distractor", None), ("distractor", None)]
    assert found[0] == (role or "gallery", None if labels == "none" else "ape")


def test_distractors_below_a_role_folder_stay_distractors() -> None:
    assert assigned("gallery/ape/1.jpg", "gallery/distractor/2.jpg", "query/ape/3.jpg") == [
        ("gallery", "ape"),
        ("distractor", None),
        ("query", "ape"),
    ]


def test_an_explicit_role_wins_over_role_folders_and_labels_stay_below_them() -> None:
    found = assigned("query/ape/1.jpg", "gallery/bear/2.jpg", role="train", labels="top")
    assert found == [("train", "ape"), ("train", "bear")]


@pytest.mark.parametrize(
    "ids",
    [
        ("1.jpg", "ape/2.jpg"),  # the root itself holds one
        ("ape/1.jpg", "bear/brown/2.jpg"),  # not all one level deep
        ("animals/ape/1.jpg", "animals/bear/2.jpg"),  # two levels deep
        ("1.jpg", "2.jpg"),
    ],
)
def test_auto_takes_no_labels_where_folders_are_no_plain_classes(ids: tuple[str, ...]) -> None:
    assert [label for _, label in assigned(*ids)] == [None, None]


def test_auto_decides_for_each_role_folder_by_itself() -> None:
    assert assigned("gallery/ape/1.jpg", "query/2.jpg") == [("gallery", "ape"), ("query", None)]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [("parent", [None, "ape", "brown"]), ("top", [None, "ape", "bear"]), ("none", [None, None, None])],
)
def test_labels_by_place(labels: Labels, expected: list[str | None]) -> None:
    found = assigned("0.jpg", "ape/1.jpg", "bear/brown/2.jpg", labels=labels)
    assert [label for _, label in found] == expected


def test_nothing_gives_nothing() -> None:
    assert assigned() == []


@pytest.mark.data
def test_a_real_set_has_its_roles_and_classes(shared_data: Path) -> None:
    ids = list_folder(shared_data / "images" / "animals", follow_symlinks=False).ids
    roles, labels = assign_roles_and_labels(ids, role=None, labels="auto")
    assert [(roles == role).sum() for role in ("train", "gallery", "query")] == [851, 729, 333]
    assert all(id.split("/")[1] == label for id, label in zip(ids, labels, strict=True))

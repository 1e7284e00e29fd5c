"""Roles and labels as the names of folders say them: `gallery/ape/1.jpg` is an ape in the gallery."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from revsearch.manifest import Role, Strings
from revsearch.specs import Labels
from revsearch.storage.role_names import ROLE_NAMES

DEFAULT_ROLE: Role = "gallery"


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder that holds images: the root that its labels are read below, the names from there, and its role."""

    root: str
    names: tuple[str, ...]
    role: Role


def assign_roles_and_labels(ids: Sequence[str], *, role: Role | None, labels: Labels) -> tuple[Strings, Strings]:
    """Return each image's role and label (None where there is none), both `[n]`, from the ids of one source.

    Where all top-level folders are named after roles, the first folder is the role and labels are read below it. An
    explicit `role` takes its place, but never that of a folder named `distractor`: what lies in one, at any depth,
    has that role and no label.

    Labels: `parent` is the folder that holds the image, `top` the first one below the root. `auto` takes the
    holding folder where the root itself holds no image and all lie one level deep, for each role folder by itself,
    and no label elsewhere.
    """
    folders = [id.rpartition("/")[0] for id in ids]
    places = _places(set(folders), role)
    named = {folder: _label(place, labels) for folder, place in places.items()}
    if labels == "auto":
        flat = _roots_of_classes(places.values())
        named = {folder: _label(place, "parent") if place.root in flat else None for folder, place in places.items()}
    return (
        _column([places[folder].role for folder in folders]),
        _column([named[folder] for folder in folders]),
    )


def _places(folders: Iterable[str], role: Role | None) -> dict[str, _Place]:
    split = {folder: tuple(folder.split("/")) if folder else () for folder in folders}
    tops = {names[0].lower() for names in split.values() if names}
    by_role = bool(tops) and tops <= ROLE_NAMES.keys()
    return {folder: _place(names, role, by_role) for folder, names in split.items()}


def _place(names: tuple[str, ...], role: Role | None, by_role: bool) -> _Place:
    root, below = (names[0], names[1:]) if by_role and names else ("", names)
    if any(ROLE_NAMES.get(name.lower()) == "distractor" for name in names):
        return _Place(root, below, "distractor")
    return _Place(root, below, role or ROLE_NAMES.get(root.lower(), DEFAULT_ROLE))


def _roots_of_classes(places: Iterable[_Place]) -> set[str]:
    """Return the roots below which every image, distractors aside, lies exactly one folder deep."""
    depths: dict[str, set[int]] = defaultdict(set)
    for place in places:
        if place.role != "distractor":
            depths[place.root].add(len(place.names))
    return {root for root, found in depths.items() if found == {1}}


def _label(place: _Place, labels: Labels) -> str | None:
    if labels == "none" or place.role == "distractor" or not place.names:
        return None
    return place.names[0] if labels == "top" else place.names[-1]


def _column(values: list[Role] | list[str | None]) -> Strings:
    column = np.empty(len(values), object)
    column[:] = values
    return column

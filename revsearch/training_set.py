"""Which rows of a manifest a run learns from, and which it holds out to judge itself by."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.manifest import Strings
from revsearch.train_specs import Identity

Rows = NDArray[np.int64]

UNLABELLED = -1  # class of a row without one


@dataclass(frozen=True)
class TrainingSet:
    """The rows of a run: every row that was given is in exactly one of the three lists, each ascending.

    Attributes:
        rows: int64 `[n]`, manifest rows to train on.
        classes: int64 `[n]`, the class of each, below `n_classes`; -1 where it has none.
        validation_rows: int64 `[v]`, held out.
        validation_classes: int64 `[v]`, below `len(names)`; -1 where it has none.
        left_out: int64 `[m]`, rows without a class, or of a class with too few images, that the preset cannot use; and
            those held out beyond what a validation ranks.
        names: of the classes; those trained on come first.
        n_classes: how many are trained on.
    """

    rows: Rows
    classes: Rows
    validation_rows: Rows
    validation_classes: Rows
    left_out: Rows
    names: tuple[str, ...]
    n_classes: int

    def without(self, rejected: Rows) -> "TrainingSet":
        """Return the same without rejected rows: what is trained on and what is held out stays as it was.

        Raises:
            InvalidSpec: where a class that is trained on has none left, or nothing is held out any more.
        """
        kept, held = ~np.isin(self.rows, rejected), ~np.isin(self.validation_rows, rejected)
        left = np.bincount(self.classes[kept & (self.classes >= 0)], minlength=self.n_classes)
        if len(gone := np.flatnonzero(left == 0)):
            raise InvalidSpec(
                f"no image of {len(gone)} classes can be read, first: {[self.names[code] for code in gone[:5]]}; "
                "see what `embed` rejects, and leave those classes out of the manifest"
            )
        if not held.any():
            raise InvalidSpec("none of the images held out for validation can be read; see what `embed` rejects")
        return replace(
            self,
            rows=self.rows[kept],
            classes=self.classes[kept],
            validation_rows=self.validation_rows[held],
            validation_classes=self.validation_classes[held],
            left_out=np.setdiff1d(self.left_out, rejected),
        )


def training_rows(roles: Strings) -> Rows:
    """Return the rows that may be trained on, given every row's role `[n]`: role train, else gallery; ascending.

    Raises:
        InvalidSpec: where there are neither.
    """
    for role in ("train", "gallery"):
        if len(rows := np.flatnonzero(roles == role)):
            return np.asarray(rows, np.int64)
    raise InvalidSpec(
        "--manifest: expected rows of role train or gallery, found none; make one with `manifest --role train FOLDER`"
    )


def class_names(labels: Strings, groups: Strings, identity: Identity) -> Strings:
    """Return what makes two images alike, str or None `[n]`: label, group, or (auto) the group where any row has one.

    `auto` is what `evaluate` takes for relevant too.
    """
    if identity == "auto":
        identity = "group" if any(group is not None for group in groups) else "label"
    return groups if identity == "group" else labels

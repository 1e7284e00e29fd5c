import os
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from revsearch.rejects import Reason, Reject
from revsearch.storage.sources import Listing, list_folder, listing_fingerprint


class Entry(NamedTuple):
    """One file of a listing."""

    id: str
    size: int
    version: int


def listing(*entries: Entry, rejects: tuple[Reject, ...] = ()) -> Listing:
    return Listing(
        ids=np.array([entry.id for entry in entries], object),
        sizes=np.array([entry.size for entry in entries], np.int64),
        versions=np.array([entry.version for entry in entries], np.int64),
        ignored=0,
        rejects=rejects,
    )


A, B = Entry("a.jpg", 10, 5), Entry("b.jpg", 20, 6)


@pytest.mark.parametrize(
    "other",
    [
        listing(),
        listing(A),
        listing(A, B, Entry("c.jpg", 0, 0)),
        listing(A._replace(id="A.jpg"), B),
        listing(A._replace(size=11), B),
        listing(A, B._replace(version=7)),
        listing(Entry("a.jp", 10, 5), Entry("gb.jpg", 20, 6)),
        listing(A, B, rejects=(Reject("c", "c", "manifest", Reason.PERMISSION, ""),)),
    ],
)
def test_whatever_changes_in_a_listing_changes_its_fingerprint(other: Listing) -> None:
    assert listing_fingerprint(other) != listing_fingerprint(listing(A, B))


def test_the_same_files_elsewhere_have_the_same_fingerprint(tmp_path: Path) -> None:
    prints = set()
    for place in ("here", "there"):
        (tmp_path / place / "ape").mkdir(parents=True)
        for name in ("1.jpg", "ape/2.jpg"):
            (tmp_path / place / name).write_bytes(b"same")
            os.utime(tmp_path / place / name, ns=(1, 1))
        prints.add(listing_fingerprint(list_folder(tmp_path / place, follow_symlinks=False)))
    assert len(prints) == 1


def test_the_fingerprint_does_not_depend_on_how_much_is_hashed_at_once() -> None:
    many = listing(*(Entry(f"{n:06d}.jpg", n, n) for n in range(70_000)))
    changed = replace(many, sizes=np.where(np.arange(70_000) == 69_999, 1, many.sizes))
    assert listing_fingerprint(many) == listing_fingerprint(replace(many, ids=many.ids.copy()))
    assert listing_fingerprint(many) != listing_fingerprint(changed)

"""Training refused where it would see what it is later judged by: by bytes before Ray, by near copies after."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from revsearch.errors import InvalidSpec, MissingArtifact
from revsearch.specs import Resources
from revsearch.stages.leakage import require_other_bytes, require_unseen
from revsearch.stages.lineage import trained_on
from revsearch.stages.scan import scan
from revsearch.storage.artifact import Artifact, Draft
from revsearch.storage.local import LocalStore
from revsearch.storage.manifests import StoredManifest


def refuse(store: LocalStore, manifest: Artifact, *never: Artifact, start: str | None = None) -> None:
    stored = StoredManifest(store, manifest)
    rows = stored.rows_of_roles("train")
    require_other_bytes(store, stored, rows, list(map(str, never)), start)


@pytest.mark.usefixtures("no_ray")
class TestEqualBytes:
    def test_disjoint_ones_pass(self, store: LocalStore, by_hand: Any) -> None:
        refuse(store, by_hand.manifest("ab", roles="train"), by_hand.manifest("cd"), by_hand.manifest("e"))
        refuse(store, by_hand.manifest("ab", roles="train"))

    @pytest.mark.parametrize("role", ["gallery", "query", "distractor"])
    def test_all_roles_of_an_evaluation_count(self, store: LocalStore, by_hand: Any, role: str) -> None:
        training, judged = by_hand.manifest("abc", roles="train"), by_hand.manifest("xb", roles=role)
        with pytest.raises(InvalidSpec, match=r"found 1 of 3 \(equal bytes: 1, .*first:\n  'b' and 'b'\n.*leave"):
            refuse(store, training, judged)

    def test_rows_that_are_trained_on_there_do_not(self, store: LocalStore, by_hand: Any) -> None:
        """One manifest of all roles: its train rows against its others."""
        manifest = by_hand.manifest("abc", roles=["train", "gallery", "query"])
        refuse(store, manifest, manifest)
        doubled = by_hand.manifest("abc", contents="xyx", roles=["train", "gallery", "query"])
        with pytest.raises(InvalidSpec, match="'a' and 'c'"):
            refuse(store, doubled, doubled)

    def test_all_manifests_are_told_of_at_once(self, store: LocalStore, by_hand: Any) -> None:
        training = by_hand.manifest("abc", roles="train")
        with pytest.raises(InvalidSpec) as caught:
            refuse(store, training, by_hand.manifest("a"), by_hand.manifest("x"), by_hand.manifest("bc"))
        assert len(caught.value.problems) == 2
        assert "found 2 of 3" in caught.value.problems[1]

    def test_what_the_start_has_seen_counts(self, store: LocalStore, by_hand: Any) -> None:
        first = trained_on(store, by_hand.encoder(by_hand.manifest("ab", roles="train"), "train", weights=b"1"))
        space = by_hand.encoder(by_hand.manifest("c", roles="train"), "train", weights=b"2", start=first)
        training, judged = by_hand.manifest("d", roles="train"), by_hand.manifest("bx")
        refuse(store, training, judged)
        with pytest.raises(InvalidSpec, match=rf"images {first} was trained on.*\n  'b' and 'b'\nstart from"):
            refuse(store, training, judged, start=str(trained_on(store, space)))

    def test_nothing_to_hold_against(self, store: LocalStore, by_hand: Any) -> None:
        with pytest.raises(InvalidSpec, match="expected rows of role query, gallery, distractor, found none"):
            refuse(store, by_hand.manifest("a", roles="train"), by_hand.manifest("b", roles="train"))

    def test_no_such_manifest(self, store: LocalStore, by_hand: Any) -> None:
        manifest = StoredManifest(store, by_hand.manifest("a", roles="train"))
        with pytest.raises(MissingArtifact):
            require_other_bytes(store, manifest, np.arange(1), ["manifest/0123456789ab"])


def recompressed(data: bytes, quality: int) -> bytes:
    encoded = io.BytesIO()
    Image.open(io.BytesIO(data)).save(encoded, "JPEG", quality=quality)
    return encoded.getvalue()


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_near_copies_are_found_by_looking(
    store: LocalStore,
    by_hand: Any,
    tmp_path: Path,
    write_files: Callable[..., Path],
    make_picture: Callable[..., bytes],
) -> None:
    pictures = {f"{n}.png": make_picture(n, (160, 120)) for n in range(8)}
    names = list(pictures)
    training_folder = write_files(tmp_path / "training", {name: pictures[name] for name in names[:4]})
    judged = {"copy.jpg": recompressed(pictures["2.png"], 60), **{name: pictures[name] for name in names[4:]}}
    judged_folder = write_files(tmp_path / "judged", judged)
    training = StoredManifest(store, by_hand.manifest(names[:4], roles="train", root=training_folder))
    never = by_hand.manifest(sorted(judged), root=judged_folder)
    draft = Draft(store, "encoder", "0123456789ab", {}, {})
    require_other_bytes(store, training, np.arange(4), [str(never)])  # not a byte in common

    def require(rows: list[int]) -> None:
        scanned = scan(store, training, np.array(rows), Resources(), draft)
        require_unseen(store, training, scanned, [str(never)], Resources(), draft)

    require([0, 1, 3])
    with pytest.raises(InvalidSpec, match=r"found 1 of 4 \(equal bytes: 0, near copies: 1\); first:") as caught:
        require([0, 1, 2, 3])
    assert "'2.png' and 'copy.jpg' (" in str(caught.value)
    assert draft.found_parts(f"scan-{never.id}")  # a run that is started again does not look again

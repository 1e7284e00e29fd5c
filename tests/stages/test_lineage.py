"""From weights back to the images they were trained on; encoders committed by hand."""

from dataclasses import replace
from typing import Any

import pytest

from revsearch.errors import CorruptArtifact, MissingArtifact
from revsearch.space import EmbeddingSpace
from revsearch.stages.lineage import images_seen, trained_on
from revsearch.storage.artifact import Artifact, Draft
from revsearch.storage.card import Counts
from revsearch.storage.local import LocalStore


def trained(store: LocalStore, space: EmbeddingSpace) -> Artifact:
    encoder = trained_on(store, space)
    assert encoder is not None
    return encoder


def test_weights_trained_here_are_found(store: LocalStore, by_hand: Any) -> None:
    manifest = by_hand.manifest("ab", roles=["train", "gallery"])
    space = by_hand.encoder(manifest, "train", weights=b"one")
    by_hand.encoder(manifest, "train", weights=b"two")
    (seen,) = images_seen(store, trained(store, space))
    assert seen.ids.tolist() == ["a"]
    assert str(trained(store, space)) in seen.name


def test_architecture_and_size_may_differ(store: LocalStore, by_hand: Any) -> None:
    """The same weights in another space saw the same images."""
    space = by_hand.encoder(by_hand.manifest("a", roles="train"), "train")
    assert trained_on(store, replace(space, dim=7, encoder="another")) == trained(store, space)


@pytest.mark.parametrize("weights", ["random-0", "revision-1", f"sha256:{'0' * 64}"])
def test_other_weights_were_not_trained_here(store: LocalStore, by_hand: Any, make_space: Any, weights: str) -> None:
    by_hand.encoder(by_hand.manifest("a", roles="train"), "train")
    assert trained_on(store, replace(make_space(2), weights=weights)) is None


def test_a_training_without_a_card_gave_nothing(store: LocalStore, by_hand: Any) -> None:
    space = by_hand.encoder(by_hand.manifest("a", roles="train"), "train", commit=False)
    assert trained_on(store, space) is None


def test_an_encoder_has_seen_what_its_start_has_seen(store: LocalStore, by_hand: Any) -> None:
    space, start = None, None
    for number, ids in enumerate(("ab", "c", "de")):
        manifest = by_hand.manifest(ids, roles="gallery")
        space = by_hand.encoder(manifest, "gallery", weights=b"%d" % number, start=start)
        start = trained(store, space)
    assert space is not None
    assert [seen.ids.tolist() for seen in images_seen(store, trained(store, space))] == [["d", "e"], ["c"], ["a", "b"]]


def test_what_was_seen_must_still_be_there(store: LocalStore, by_hand: Any) -> None:
    manifest = by_hand.manifest("a", roles="train")
    space = by_hand.encoder(manifest, "train")
    store.delete(f"{manifest}/card.json")
    for part in manifest.card.parts:
        store.delete(f"{manifest}/{part.name}")
    with pytest.raises(MissingArtifact, match=str(manifest)):
        list(images_seen(store, trained(store, space)))


def test_a_card_that_does_not_say(store: LocalStore) -> None:
    draft = Draft(store, "encoder", "0123456789ab", {}, {})
    encoder = draft.commit(Counts(0, 0), [draft.put("weights", ".safetensors", b"x")])
    with pytest.raises(CorruptArtifact, match="training_manifest") as caught:
        list(images_seen(store, encoder))
    assert caught.value.reason == "card"

import json
from dataclasses import replace
from typing import Any

import pytest

from revsearch.errors import CorruptArtifact, IncompleteEmbeddings
from revsearch.fingerprint import canonical_json, sha256_hex
from revsearch.rejects import Reason
from revsearch.storage.card import SCHEMA, Card, Counts, Part, library_versions

CARD = Card(
    kind="embeddings",
    id="0123456789ab",
    spec={"encoder": "resnet50:IMAGENET1K_V2", "image_size": None, "allow_truncated": False},
    inputs={"manifest": "manifest/ba9876543210"},
    counts=Counts(5, 3, {"empty": 1, "corrupt": 1}, n_ignored=2),
    parts=(Part(f"part-{'a' * 64}.parquet", 12, "a" * 64), Part(f"rejects-{'b' * 64}.parquet", 3, "b" * 64)),
    facts={"space": {"mean": [0.485, 0.456], "dim": 2048}, "encoder": "café 🦍 \u202e <script>"},
    seconds={"embed": 1.25},
    versions={"python": "3.11.7"},
)
RAW = CARD.to_bytes()


def signed(body: dict[str, Any]) -> bytes:
    """The bytes of a card that says these things, its hash right."""
    return json.dumps({**body, "sha256": sha256_hex(canonical_json(body))}, indent=1).encode()


def body() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RAW)
    del found["sha256"]
    return found


def test_a_card_comes_back_from_its_bytes() -> None:
    assert Card.from_bytes(RAW, "store/x") == CARD
    assert signed(body()) == RAW


def test_any_flipped_bit_is_seen() -> None:
    for place in range(len(RAW)):
        for bit in range(8):
            raw = bytearray(RAW)
            raw[place] ^= 1 << bit
            with pytest.raises(CorruptArtifact) as caught:
                Card.from_bytes(bytes(raw), "store/x")
            assert caught.value.reason == "checksum"


OTHER_BYTES = {
    "nothing": b"",
    "cut": RAW[:-1],
    "cut in half": RAW[: len(RAW) // 2],
    "appended to": RAW + b"\n",
    "zeroed tail": RAW[:-100] + bytes(100),
    "with a BOM": b"\xef\xbb\xbf" + RAW,
    "written otherwise": json.dumps(json.loads(RAW)).encode(),
    "in another order": json.dumps(json.loads(RAW), indent=1, sort_keys=True).encode(),
    "a key twice": RAW[:-2] + b',\n "kind": "embeddings"\n}',
    "a list": b"[]",
    "a number": b"1",
    "nested too deep": b"[" * 100_000,
    "no hash": json.dumps(body(), indent=1).encode(),
}


@pytest.mark.parametrize("raw", OTHER_BYTES.values(), ids=list(OTHER_BYTES))
def test_what_is_no_card_is_corrupt_and_says_what_to_do(raw: bytes) -> None:
    with pytest.raises(CorruptArtifact, match="remove store/x and run the command that made it again") as caught:
        Card.from_bytes(raw, "store/x")
    assert str(caught.value).startswith("store/x/card.json is corrupt (")
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("more", [{}, {"licence": "new"}], ids=["known fields", "unknown field"])
def test_a_newer_schema_asks_for_an_upgrade(more: dict[str, Any]) -> None:
    with pytest.raises(CorruptArtifact, match="upgrade revsearch") as caught:
        Card.from_bytes(signed({**body(), **more, "schema": SCHEMA + 1}), "store/x")
    assert (caught.value.reason, caught.value.exit_code) == ("newer_schema", 5)
    assert f"expected schema up to {SCHEMA}, found {SCHEMA + 1}" in str(caught.value)


WRONG_FORM: dict[str, dict[str, Any]] = {
    "a field missing": {name: value for name, value in body().items() if name != "parts"},
    "a field unknown": {**body(), "licence": "MIT"},
    "schema no number": {**body(), "schema": "1"},
    "no schema": {name: value for name, value in body().items() if name != "schema"},
    "counts no object": {**body(), "counts": 3},
    "a count unknown": {**body(), "counts": {**body()["counts"], "n_lost": 0}},
    "parts no list": {**body(), "parts": 1},
    "a part of other fields": {**body(), "parts": [{"name": "a"}]},
}


@pytest.mark.parametrize("other", WRONG_FORM.values(), ids=list(WRONG_FORM))
def test_a_card_of_another_form_is_corrupt_though_its_hash_is_right(other: dict[str, Any]) -> None:
    with pytest.raises(CorruptArtifact, match=r"store/x/card\.json is corrupt"):
        Card.from_bytes(signed(other), "store/x")


@pytest.mark.parametrize(
    ("n_in", "n_ok", "rejected"), [(5, 4, {}), (5, 5, {"empty": 1}), (0, 0, {"empty": 1}), (5, 3, {"empty": 1})]
)
def test_counts_that_do_not_close_are_refused(n_in: int, n_ok: int, rejected: dict[str, int]) -> None:
    with pytest.raises(IncompleteEmbeddings, match=f"accounting does not close: {n_in} in, {n_ok} ok"):
        Counts(n_in, n_ok, rejected)
    counts = {"n_in": n_in, "n_ok": n_ok, "rejected": rejected, "n_ignored": 0}
    with pytest.raises(IncompleteEmbeddings):
        Card.from_bytes(signed({**body(), "counts": counts}), "store/x")


def test_only_rejects_that_the_user_should_know_of_are_held_against_a_set() -> None:
    rejected: dict[str, int] = {Reason.EMPTY: 1, Reason.DUPLICATE_OF_GALLERY: 4}
    counts = Counts(10, 5, rejected)
    assert counts.n_rejected == 5
    assert counts.reject_rate == 0.1
    assert Counts(0, 0).reject_rate == 0.0
    assert replace(counts, n_ignored=100).reject_rate == 0.1


def test_what_json_cannot_carry_never_becomes_a_card() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(CARD, facts={"recall": float("nan")}).to_bytes()


def test_versions_are_those_of_what_is_installed() -> None:
    versions = library_versions()
    assert versions["python"].count(".") == 2
    assert {"revsearch", "numpy", "pyarrow"} <= versions.keys()

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revsearch.fingerprint import ID_LENGTH, canonical_json, file_sha256, fingerprint, sha256_hex

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
    max_leaves=10,
)


@settings(max_examples=50)
@given(PLAIN)
def test_values_come_back_from_their_bytes(value: Any) -> None:
    raw = canonical_json(value)
    assert json.loads(raw) == value
    assert canonical_json(json.loads(raw)) == raw
    assert raw.isascii()


def test_the_order_of_keys_and_tuples_for_lists_do_not_count() -> None:
    assert canonical_json({"b": [1, 2], "a": {"d": None, "c": "é"}}) == b'{"a":{"c":"\\u00e9","d":null},"b":[1,2]}'
    assert canonical_json((1, 2)) == canonical_json([1, 2])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
def test_what_json_cannot_carry_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(value)


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object()])
def test_what_is_no_plain_value_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical_json(value)


def test_sha256_is_the_standard_one() -> None:
    assert sha256_hex(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_fingerprint_is_the_hash_of_what_was_asked() -> None:
    body = b'{"asked":{"k":10},"revision":1,"stage":"rank"}'
    assert fingerprint("rank", 1, {"k": 10}) == hashlib.sha256(body).hexdigest()[:ID_LENGTH]


def test_every_part_of_what_was_asked_counts() -> None:
    asked = [("rank", 1, {"k": 10}), ("rank", 2, {"k": 10}), ("embed", 1, {"k": 10}), ("rank", 1, {"k": 11})]
    asked.append(("rank", 1, {"k": 10, "seed": 0}))
    assert len({fingerprint(*each) for each in asked}) == len(asked)


def test_a_file_has_the_hash_of_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(data)
    assert file_sha256(tmp_path / "file") == sha256_hex(data) == hashlib.sha256(data).hexdigest()

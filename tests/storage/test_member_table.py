from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revsearch.errors import CorruptArtifact
from revsearch.storage.member_table import decode_members, encode_members


def column(*ids: str) -> np.ndarray:
    return np.array(ids, object)


IDS = st.text(max_size=4)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(IDS, st.integers(0, 5), max_size=12))
def test_each_vector_has_its_ids_sorted_whatever_their_order(
    tmp_path_factory: pytest.TempPathFactory, vector_of: dict[str, int]
) -> None:
    path = tmp_path_factory.mktemp("members") / "m.parquet"
    path.write_bytes(encode_members(np.array(list(vector_of.values()), np.int64), column(*vector_of)))
    members = decode_members(path, 7)
    assert len(members) == 7
    for vector in range(7):
        assert members.of(vector) == sorted(id for id, of in vector_of.items() if of == vector)


def test_members_of_more_vectors_than_there_are_or_out_of_order_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    path.write_bytes(encode_members(np.array([0, 3]), column("a", "b")))
    assert decode_members(path, 4).of(3) == ["b"]
    with pytest.raises(CorruptArtifact, match=f"{path}: expected the members of 3 vectors"):
        decode_members(path, 3)
    path.write_bytes(encode_members(np.array([-1, 0]), column("a", "b")))
    with pytest.raises(CorruptArtifact, match="expected the members of 4 vectors"):
        decode_members(path, 4)

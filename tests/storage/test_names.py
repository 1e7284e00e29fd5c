import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from revsearch.storage.names import decode_id, encode_id

UTF8_BYTES = [
    "photo.jpg", "ape/1.jpg", "é.jpg", "e\u0301.jpg", "🦍.jpg", "\u202egpj.exe", "a\nb\tc.jpg", "\"'`.jpg",
    "<script>alert(1)</script>.jpg", "=cmd().jpg", "-rf", "%2e%2e", "100%.jpg", "a%20b.jpg", "caf%C3%A9.jpg", "%ff.jpg",
    "x" * 255,
]  # fmt: skip


@pytest.mark.parametrize("name", UTF8_BYTES)
def test_a_name_that_is_utf8_is_its_own_id(name: str) -> None:
    assert encode_id(name.encode()) == name
    assert decode_id(name) == name.encode()


@pytest.mark.parametrize(
    ("path", "id"),
    [
        (b"\xff.jpg", "%FF.jpg"),
        (b"caf\xe9/1.jpg", "caf%E9/1.jpg"),
        ("é".encode() + b"\xe9", "é%E9"),
        (b"%FF.jpg", "%25FF.jpg"),
        (b"%25FF.jpg", "%2525FF.jpg"),
        (b"\xed\xa0\x80", "%ED%A0%80"),  # an encoded surrogate is no UTF-8
        (b"%C3%A9/\xff", "%C3%A9/%FF"),  # each name by itself
    ],
)
def test_bytes_that_are_no_utf8_are_percent_encoded(path: bytes, id: str) -> None:
    assert encode_id(path) == id
    assert decode_id(id) == path


PIECES = st.sampled_from(
    [b"%", b"25", b"FF", b"C3", b"A9", b"\xc3", b"\xa9", b"\xff", b"/", b"a", b"%25", "é".encode()]
)


@given(st.one_of(st.binary(max_size=40), st.lists(PIECES, max_size=12).map(b"".join)))
@example(b"\xc3%A9")
@example(b"%\xff")
def test_every_path_comes_back_from_its_id(path: bytes) -> None:
    id = encode_id(path)
    assert decode_id(id) == path
    id.encode()  # text that can be written


def test_text_with_half_a_surrogate_pair_is_no_id() -> None:
    for text in ("\udcff.jpg", "%FF\udcff"):
        with pytest.raises(UnicodeEncodeError):
            decode_id(text)

import pytest

from revsearch.render.text import pieces, plain


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("cat.jpg", "cat.jpg"),
        ("", ""),
        ("new\nline\ttab", "new\\nline\\ttab"),
        ("a\u202egpj.exe", "a\\u202egpj.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\u2028lines", "two\\u2028lines"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("byte\udcff", "byte\\udcff"),
        ("😀 é %2e%2e", "😀 é %2e%2e"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, seen: str) -> None:
    assert plain(text) == seen
    seen.encode()


def test_pieces_tell_escapes_from_text_that_looks_like_one() -> None:
    assert list(pieces("a\\n\n\rb")) == [("a\\n", False), ("\\n\\r", True), ("b", False)]


def test_secrets_of_addresses_are_taken_out() -> None:
    assert plain("s3://key:secret@bucket/x\n") == "s3://***@bucket/x\\n"

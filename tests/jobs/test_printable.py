import pytest

from jobs.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "plain — naïve 🦊 \U0001f469\u200d\U0001f680 日本.jpg",
            "plain — naïve 🦊 \U0001f469\u200d\U0001f680 日本.jpg",
        ),
        ("a\tb", "a\tb"),
        ("a\nb\rc", "a\\nb\\rc"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b2J", "\\x9b2J"),
        ("abc\u202egpj.exe", "abc\\u202egpj.exe"),
        ("a\u2028b\x85c", "a\\u2028b\\x85c"),
        ("not utf-8 \udcff.jpg", "not utf-8 \\udcff.jpg"),
        ("s3://key:secret@bucket/x", "s3://***@bucket/x"),
        ("https://h/x?a=1&X-Amz-Signature=abc&token=t", "https://h/x?a=1&X-Amz-Signature=***&token=***"),
        ("a@b.example and s3://bucket/a", "a@b.example and s3://bucket/a"),
    ],
)
def test_a_line_stays_one_line_and_keeps_secrets(text, shown):
    assert printable(text) == shown

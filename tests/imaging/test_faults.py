"""Every exception of Pillow has a reason."""

import struct
import zlib

import pytest
from PIL import Image, UnidentifiedImageError

from revsearch.imaging.faults import pictures_at_fault, reason_of
from revsearch.rejects import Reason, Rejection


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("image file is truncated (4 bytes not processed)"), Reason.TRUNCATED),
        (OSError("Truncated File Read"), Reason.TRUNCATED),
        (EOFError(), Reason.TRUNCATED),
        (IndexError("index out of range"), Reason.TRUNCATED),
        (struct.error("unpack requires a buffer of 4 bytes"), Reason.TRUNCATED),
        (caused(SyntaxError("x"), struct.error("x")), Reason.TRUNCATED),
        (OSError("broken data stream when reading image file"), Reason.CORRUPT),
        (UnidentifiedImageError("x"), Reason.CORRUPT),
        (ValueError("x"), Reason.CORRUPT),
        (SyntaxError("x"), Reason.CORRUPT),
        (RuntimeError("x"), Reason.CORRUPT),
        (KeyError("x"), Reason.CORRUPT),
        (TypeError("x"), Reason.CORRUPT),
        (OverflowError("x"), Reason.CORRUPT),
        (ZeroDivisionError("x"), Reason.CORRUPT),
        (AttributeError("x"), Reason.CORRUPT),
        (AssertionError("x"), Reason.CORRUPT),
        (zlib.error("x"), Reason.CORRUPT),
        (MemoryError(), Reason.TOO_MANY_PIXELS),
        (Image.DecompressionBombError("x"), Reason.TOO_MANY_PIXELS),
        (Image.DecompressionBombWarning("x"), Reason.TOO_MANY_PIXELS),
    ],
)
def test_reasons(error: Exception, reason: Reason) -> None:
    assert reason_of(error) is reason
    with pytest.raises(Rejection) as raised, pictures_at_fault():
        raise error
    assert raised.value.reason is reason
    assert type(error).__name__ in str(raised.value)


def test_rejections_pass_unchanged() -> None:
    rejection = Rejection(Reason.EMPTY, "no bytes")
    with pytest.raises(Rejection) as raised, pictures_at_fault():
        raise rejection
    assert raised.value is rejection


def test_the_user_may_still_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), pictures_at_fault():
        raise KeyboardInterrupt

"""The one place where Pillow's exceptions become reasons."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from revsearch.rejects import Reason, Rejection

_TOO_BIG = (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError)
_CUT_OFF = (EOFError, struct.error, IndexError)  # what reading past the end raises in Pillow's drivers
_CUT_OFF_WORD = "truncated"  # what Pillow's decoders say where bytes ran out: an OSError like any other


@contextmanager
def pictures_at_fault() -> Iterator[None]:
    """Turn whatever Pillow raises inside into a `Rejection`.

    Raises:
        Rejection: TOO_MANY_PIXELS, TRUNCATED or CORRUPT, with Pillow's own words.
    """
    try:
        yield
    except Rejection:
        raise
    except Exception as error:  # decoders fed hostile bytes raise anything: the picture is at fault, not the job
        raise Rejection(reason_of(error), f"{type(error).__name__}: {error}") from error


def reason_of(error: Exception) -> Reason:
    """Return what one of Pillow's exceptions says about the picture."""
    if isinstance(error, _TOO_BIG):
        return Reason.TOO_MANY_PIXELS
    cut_off = isinstance(error, _CUT_OFF) or isinstance(error.__cause__, _CUT_OFF)
    return Reason.TRUNCATED if cut_off or _CUT_OFF_WORD in str(error).casefold() else Reason.CORRUPT

"""Header facts of a picture: what it is and how large, without decoding it."""

from dataclasses import dataclass

from revsearch.imaging.faults import pictures_at_fault
from revsearch.imaging.opening import open_header
from revsearch.imaging.signature import Format
from revsearch.specs import ImageLimits


@dataclass(frozen=True, slots=True)
class Header:
    """Format by content, and size in pixels as stored: before the EXIF orientation is applied."""

    format: Format
    width: int
    height: int


def read_header(data: bytes, limits: ImageLimits) -> Header:
    """Read a picture's header; nothing is decoded, and what follows the header may be damaged.

    Raises:
        Rejection: EMPTY, TOO_MANY_BYTES, NOT_AN_IMAGE, UNSUPPORTED_FORMAT, TOO_EXTREME or TOO_MANY_PIXELS; TRUNCATED
            or CORRUPT where the header itself cannot be read.
    """
    with pictures_at_fault():
        return Header(*open_header(data, limits))

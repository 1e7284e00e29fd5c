"""Decoding an opened picture: all of it, or what there is of one that was cut off."""

from PIL.ImageFile import ImageFile

from revsearch.imaging.faults import reason_of
from revsearch.imaging.opening import open_picture
from revsearch.rejects import Reason, Rejection
from revsearch.specs import ImageLimits

TRUNCATED = "truncated"  # flag: the file ends early, and what there is of the picture was taken

_END_OF_JPEG = b"\xff\xd9"
_DECODED_BY_ROWS = frozenset({"PNG", "GIF", "BMP"})


def load(
    data: bytes, limits: ImageLimits, *, allow_truncated: bool, draft_side: int | None = None
) -> tuple[ImageFile, tuple[str, ...]]:
    """Return the decoded picture in its own colour mode, and the flag `truncated` where its end is missing.

    With `draft_side`, a JPEG is decoded at the smallest of 1, 1/2, 1/4, 1/8 of its size whose shorter side is no
    shorter than that, which is faster and not the same as resizing; other formats are decoded whole.

    Call it inside `pictures_at_fault`.

    Raises:
        Rejection: every reason that a header can give, TRUNCATED or CORRUPT.
    """
    picture = open_picture(data, limits)
    if draft_side is not None:
        picture.draft(None, (draft_side, draft_side))
    try:
        picture.load()
    except OSError as error:
        if not allow_truncated or reason_of(error) is not Reason.TRUNCATED:
            raise
        return _salvaged(picture, data, limits), (TRUNCATED,)
    return picture, ()


def _salvaged(picture: ImageFile, data: bytes, limits: ImageLimits) -> ImageFile:
    """Return what there is of a picture whose bytes ran out while it was decoded.

    Not by `ImageFile.LOAD_TRUNCATED_IMAGES`: that would hold for all pictures that other threads decode meanwhile.
    """
    if picture.format == "JPEG":
        picture = open_picture(_ended_jpeg(data), limits)
        picture.load()
        return picture
    if picture.format in _DECODED_BY_ROWS:
        picture.tile = []  # nothing more to load: rows decoded before the end are kept, the others are zero
        return picture
    raise Rejection(Reason.TRUNCATED, f"{picture.format} pictures cannot be read in part")


def _ended_jpeg(data: bytes) -> bytes:
    """Return a JPEG that ends where its bytes do: the decoder then fills up with grey, as at any early end.

    Of a progressive one the cut may fall between two scans, into the header of the next: that is left out.
    """
    header = max(data.rfind(b"\xff\xc4"), data.rfind(b"\xff\xda"))  # Huffman tables, start of a scan
    length = int.from_bytes(data[header + 2 : header + 4]) if header + 4 <= len(data) else len(data)
    return data[: header if header + 2 + length > len(data) else None] + _END_OF_JPEG

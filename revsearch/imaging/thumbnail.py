"""Thumbnails for reports: re-encoded, so that nothing of a file but its pixels reaches a page."""

from io import BytesIO

from PIL import Image

from revsearch.imaging.decode import upright_rgb
from revsearch.imaging.faults import pictures_at_fault
from revsearch.imaging.geometry import longer_side_to
from revsearch.specs import ImageLimits

_QUALITY = 85


def thumbnail(data: bytes, side: int, limits: ImageLimits, *, allow_truncated: bool = False) -> bytes:
    """Return the picture's first frame as a JPEG of at most `side` pixels a side, upright, without any metadata.

    A picture that is smaller keeps its size.

    Raises:
        Rejection: as `decode`.
    """
    with pictures_at_fault():
        image, _ = upright_rgb(data, limits, allow_truncated=allow_truncated)
        if max(image.size) > side:
            image = image.resize(longer_side_to(image.size, side), Image.Resampling.BICUBIC)
        image.info = {}  # Pillow would write comment and resolution of the original again
        encoded = BytesIO()
        image.save(encoded, "JPEG", quality=_QUALITY)
        return encoded.getvalue()

"""Opening a picture safely: by content, within limits, its header alone; no pixel is decoded here."""

import math
from io import BytesIO

from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH, TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from revsearch.imaging.png import pixel_chunks, png_size
from revsearch.imaging.signature import Format, other_picture, readable_format
from revsearch.rejects import Reason, Rejection
from revsearch.specs import ImageLimits

# The drivers themselves, not `Image.open`: that asks drivers nobody named, turns an MPO into all its frames, and
# merely warns of a decompression bomb up to twice its limit. Our limits stand before any pixel is decoded.
_DRIVERS: dict[Format, type[ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
    "AVIF": AvifImageFile,
}

_START_OF_SCAN = b"\xff\xda"


def require_format(data: bytes, limits: ImageLimits) -> Format:
    """Return the format of `data`.

    Raises:
        Rejection: EMPTY, TOO_MANY_BYTES, UNSUPPORTED_FORMAT or NOT_AN_IMAGE.
    """
    if not data:
        raise Rejection(Reason.EMPTY, "the file has no bytes")
    if len(data) > limits.max_bytes:
        raise Rejection(Reason.TOO_MANY_BYTES, f"expected at most {limits.max_bytes} bytes, found {len(data)}")
    if format := readable_format(data):
        return format
    if other := other_picture(data):
        raise Rejection(Reason.UNSUPPORTED_FORMAT, f"expected one of {' '.join(_DRIVERS)}, found {other}")
    raise Rejection(Reason.NOT_AN_IMAGE, f"expected a picture, found a file that starts with {data[:12]!r}")


def require_size(width: int, height: int, limits: ImageLimits) -> None:
    """Refuse a picture by its size.

    Raises:
        Rejection: TOO_EXTREME, TOO_MANY_PIXELS, or CORRUPT where there is no pixel at all.
    """
    shorter, longer = sorted((width, height))
    if shorter < 1:
        raise Rejection(Reason.CORRUPT, f"expected at least one pixel, found {width} x {height}")
    if longer > shorter * limits.max_ratio:
        raise Rejection(
            Reason.TOO_EXTREME, f"expected sides of at most 1:{limits.max_ratio:g}, found {width} x {height}"
        )
    if longer > limits.max_side or width * height > limits.max_pixels:
        raise Rejection(
            Reason.TOO_MANY_PIXELS,
            f"expected at most {limits.max_pixels} pixels and {limits.max_side} a side, found {width} x {height}",
        )


def open_picture(data: bytes, limits: ImageLimits) -> ImageFile:
    """Return the picture, opened but not yet decoded; call it inside `pictures_at_fault`.

    Raises:
        Rejection: every reason that a header can give, and CORRUPT for PNG chunks that do not match their checksum.
    """
    format = require_format(data, limits)
    if format == "PNG":
        require_size(*png_size(data), limits)
        data = pixel_chunks(data)
    return _open(format, data, limits)


def open_header(data: bytes, limits: ImageLimits) -> tuple[Format, int, int]:
    """Return format, width and height; call it inside `pictures_at_fault`.

    Raises:
        Rejection: every reason that a header can give.
    """
    format = require_format(data, limits)
    width, height = png_size(data) if format == "PNG" else _open(format, data, limits).size
    require_size(width, height, limits)
    return format, width, height


def _open(format: Format, data: bytes, limits: ImageLimits) -> ImageFile:
    _require_whole(format, data)
    picture = _DRIVERS[format](BytesIO(data))
    require_size(*picture.size, limits)
    if isinstance(picture, TiffImageFile):
        _require_small_tiles(picture, limits)
    return picture


def _require_whole(format: Format, data: bytes) -> None:
    """Find what is cut off where the driver itself gives one error for all faults."""
    if format == "JPEG" and _START_OF_SCAN not in data:
        raise Rejection(Reason.TRUNCATED, f"the JPEG ends after {len(data)} bytes, before its first scan")
    if format == "WEBP" and len(data) < (expected := 8 + int.from_bytes(data[4:8], "little")):
        raise Rejection(Reason.TRUNCATED, f"expected {expected} bytes of WebP, found {len(data)}")


def _require_small_tiles(picture: TiffImageFile, limits: ImageLimits) -> None:
    """Refuse tiles of more pixels than a picture may have: one is decoded whole, however small the picture is."""
    sides = [picture.tag_v2.get(tag) for tag in (TILEWIDTH, TILELENGTH)]
    n_pixels = math.prod(side for side in sides if isinstance(side, int))  # hostile tags may hold anything
    if n_pixels > limits.max_pixels:
        raise Rejection(
            Reason.TOO_MANY_PIXELS, f"expected tiles of at most {limits.max_pixels} pixels, found {n_pixels}"
        )

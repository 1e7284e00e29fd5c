"""Thumbnails carry pixels only."""

from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image

from revsearch.imaging.thumbnail import thumbnail
from revsearch.rejects import Reason, Rejection
from revsearch.specs import ImageLimits

Encode = Callable[..., bytes]


@pytest.mark.parametrize(("side", "size"), [(64, (64, 48)), (1000, (320, 240))])
def test_the_longer_side_is_bounded(
    side: int, size: tuple[int, int], photo: Image.Image, encode: Encode, limits: ImageLimits
) -> None:
    image = Image.open(BytesIO(thumbnail(encode(photo, "PNG"), side, limits)))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", size)


def test_metadata_stays_behind_and_orientation_is_applied(
    photo: Image.Image, encode: Encode, limits: ImageLimits
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "secret description"
    data = encode(photo, "JPEG", exif=exif, comment=b"secret comment", icc_profile=b"secret profile", dpi=(99, 99))
    for side in (64, 1000):
        small = thumbnail(data, side, limits)
        image = Image.open(BytesIO(small))
        assert image.height > image.width
        assert b"secret" not in small
        assert b"Exif" not in small
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert image.info["jfif_density"] == (1, 1)


def test_rejections_and_truncated_pictures(photo: Image.Image, encode: Encode, limits: ImageLimits) -> None:
    cut = encode(photo, "JPEG")[:-2000]
    with pytest.raises(Rejection) as raised:
        thumbnail(cut, 64, limits)
    assert raised.value.reason is Reason.TRUNCATED
    assert thumbnail(cut, 64, limits, allow_truncated=True).startswith(b"\xff\xd8")

"""Which way up a picture is, and how it becomes the encoder's square."""

from PIL import ExifTags, Image

from revsearch.space import Interpolation, Preprocess

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_RESAMPLING: dict[Interpolation, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def turn(image: Image.Image, orientation: int) -> Image.Image:
    """Return the picture upright, given its EXIF orientation; values other than 2..8 leave it as it is."""
    method = _UPRIGHT.get(orientation)
    return image if method is None else image.transpose(method)


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of a decoded picture, 1 where it has none that can be read."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001  Pillow's EXIF reader raises anything on broken bytes; the picture itself is sound
        return 1


def fit_square(image: Image.Image, preprocess: Preprocess) -> Image.Image:
    """Return an RGB picture as the `size` x `size` square that `preprocess` asks for.

    `crop` gives, pixel for pixel, what torchvision's `ImageClassification` preset gives of a PIL image.
    """
    size, resampling = preprocess.size, _RESAMPLING[preprocess.interpolation]
    if preprocess.fit == "crop":
        resized = image.resize(shorter_side_to(image.size, preprocess.resize), resampling)
        return _centre(resized, size)
    if preprocess.fit == "pad":
        resized = image.resize(longer_side_to(image.size, size), resampling)
        return _on_page(resized, size, preprocess.mean)
    return image.resize((size, size), resampling)


def shorter_side_to(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return width and height with the shorter one `side`, the other rounded down, as torchvision's Resize does."""
    width, height = size
    if width <= height:
        return side, int(side * height / width)
    return int(side * width / height), side


def longer_side_to(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return width and height with the longer one `side`, the other rounded, at least 1."""
    longer = max(size)
    width, height = (max(1, round(side * extent / longer)) for extent in size)
    return width, height


def _centre(image: Image.Image, size: int) -> Image.Image:
    """Cut the centre, black where the picture is smaller: Pillow fills what lies outside of it."""
    left, top = (_crop_start(extent, size) for extent in image.size)
    return image.crop((left, top, left + size, top + size))


def _crop_start(extent: int, size: int) -> int:
    """Return where a crop of `size` starts: torchvision pads first (odd pixel at the end), then rounds half to even."""
    return -((size - extent) // 2) if size > extent else round((extent - size) / 2)


def _on_page(image: Image.Image, size: int, mean: tuple[float, float, float]) -> Image.Image:
    red, green, blue = (round(255 * channel) for channel in mean)
    page = Image.new("RGB", (size, size), (red, green, blue))
    page.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
    return page

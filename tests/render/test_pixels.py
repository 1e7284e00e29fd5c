import io

import numpy as np
from PIL import Image

from revsearch.render.pixels import jpeg


def test_a_jpeg_holds_the_picture_and_nothing_else() -> None:
    ramp = np.linspace(0, 255, 48, dtype=np.uint8)
    pixels = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :32], np.uint8(90)), axis=2)
    image = Image.open(io.BytesIO(jpeg(pixels)))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (32, 48))
    assert not set(image.info) - {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"}
    assert np.abs(np.asarray(image).astype(int) - pixels).mean() < 3, "quality 88 of a smooth picture"

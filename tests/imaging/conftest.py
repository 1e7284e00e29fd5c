"""Pictures made on the spot, and a measured subprocess."""

import json
import struct
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from revsearch.imaging.decode import decode
from revsearch.rejects import Rejection
from revsearch.space import Preprocess
from revsearch.specs import ImageLimits

Encode = Callable[..., bytes]
Chunk = Callable[[bytes, bytes], bytes]


@pytest.fixture(scope="session")
def limits() -> ImageLimits:
    return ImageLimits()


@pytest.fixture(scope="session")
def preprocess() -> Preprocess:
    return Preprocess("crop", 256, 224, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """A smooth colour picture without symmetry, 320 x 240, that JPEG keeps well."""
    y, x = np.mgrid[0:240, 0:320]
    channels = [x * 255 / 319, y * 255 / 239, 128 + 100 * np.sin(x / 25) * np.cos(y / 40)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


@pytest.fixture(scope="session")
def encode() -> Encode:
    def encode(image: Image.Image, format: str, **options: Any) -> bytes:
        buffer = BytesIO()
        image.save(buffer, format, **options)
        return buffer.getvalue()

    return encode


@pytest.fixture(scope="session")
def outcome(preprocess: Preprocess, limits: ImageLimits) -> Callable[..., str]:
    """What becomes of bytes: `ok` with its flags, or the reason."""

    def outcome(data: bytes, preprocess: Preprocess = preprocess, **options: Any) -> str:
        try:
            decoded = decode(data, preprocess, limits, **options)
        except Rejection as rejection:
            return rejection.reason.value
        assert decoded.pixels.shape == (preprocess.size, preprocess.size, 3)
        assert decoded.pixels.dtype == np.uint8
        return " ".join(("ok", *decoded.flags))

    return outcome


@pytest.fixture(scope="session")
def png_chunk() -> Chunk:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    return chunk


@pytest.fixture(scope="session")
def png_claiming(png_chunk: Chunk) -> Callable[[int, int], bytes]:
    """A 57-byte PNG without pixels whose header claims a size."""

    def png(width: int, height: int) -> bytes:
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")

    return png


@pytest.fixture
def measured(tmp_path: Any) -> Callable[[str, bytes], dict[str, Any]]:
    """Run a body of code in a fresh process on `data`; it leaves its findings in the dict `found`.

    `found["peak_mb"]` becomes how far peak memory rose above that after one small decode. It is read from VmHWM:
    `ru_maxrss` also counts the process that this one was forked from, which hides what is measured.
    """
    if not sys.platform.startswith("linux"):
        pytest.skip("peak memory is read from /proc")
    prelude = """
        import json, random, re, sys, time
        from io import BytesIO
        from pathlib import Path
        from PIL import Image
        from revsearch.imaging.decode import decode
        from revsearch.imaging.header import read_header
        from revsearch.rejects import Rejection
        from revsearch.space import Preprocess
        from revsearch.specs import ImageLimits
        def peak_mb():
            return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
        def outcome(data, **options):
            try:
                return " ".join(("ok", *decode(data, preprocess, limits, **options).flags))
            except Rejection as rejection:
                return rejection.reason.value
        preprocess = Preprocess("crop", 64, 56, "bilinear", (0.5,) * 3, (0.5,) * 3)
        limits = ImageLimits()
        small = BytesIO()
        Image.new("RGB", (8, 8)).save(small, "PNG")
        data, found = Path(sys.argv[1]).read_bytes(), {"warm_up": outcome(small.getvalue())}
        before = peak_mb()
    """
    coda = """
        found["peak_mb"] = peak_mb() - before
        print(json.dumps(found))
    """

    def run(body: str, data: bytes) -> dict[str, Any]:
        source = tmp_path / "data"
        source.write_bytes(data)
        code = "\n".join(textwrap.dedent(part) for part in (prelude, body, coda))
        done = subprocess.run([sys.executable, "-c", code, str(source)], capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr[-2000:]
        return dict(json.loads(done.stdout))

    return run

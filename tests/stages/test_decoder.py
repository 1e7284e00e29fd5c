"""What a worker makes of rows, without Ray and without an encoder."""

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revsearch.descriptors.color_histogram import SPACE
from revsearch.imaging.decode import decode
from revsearch.specs import ImageLimits
from revsearch.stages.decoder import Decoder, Pictures
from revsearch.stages.progress import Stopwatch
from revsearch.storage.folder import Folder


@pytest.fixture
def files(make_picture: Callable[..., bytes]) -> dict[str, bytes]:
    cut = make_picture(5, (200, 200), "JPEG")
    return {f"{n}.png": make_picture(n) for n in range(4)} | {"cut.jpg": cut[: len(cut) // 2]}


@pytest.fixture
def folder(tmp_path: Path, files: dict[str, bytes], write_files: Callable[..., Path]) -> Path:
    return write_files(tmp_path / "in", files)


@pytest.fixture
def decoded(
    folder: Path, files: dict[str, bytes], by_hand: Any, make_work: Callable[..., Any]
) -> Callable[..., Pictures]:
    """Decode all rows, the folder changed in between."""
    manifest = by_hand.manifest(list(files), root=folder)

    def run(limits: ImageLimits | None = None, **options: Any) -> Pictures:
        work = make_work(manifest, **options)
        reader = replace(work.reader, limits=limits or work.reader.limits)
        return Decoder(replace(work, reader=reader))(np.arange(len(files)), Stopwatch())

    return run


def outcomes(pictures: Pictures) -> dict[str, tuple[str, int] | None]:
    return {
        id: reject and (str(reject.reason), reject.attempt)
        for id, reject in zip(pictures.ids, pictures.rejects, strict=True)
    }


def test_pixels_are_those_of_the_decoder(decoded: Callable[..., Pictures], files: dict[str, bytes]) -> None:
    found = decoded()
    assert outcomes(found) == {"0.png": None, "1.png": None, "2.png": None, "3.png": None, "cut.jpg": ("truncated", 1)}
    for row in range(4):
        assert np.array_equal(found.pixels[row], decode(files[f"{row}.png"], SPACE.preprocess, ImageLimits()).pixels)
    assert not found.pixels[4].any()
    assert found.flags == [""] * 5


def test_truncated_ones_are_flagged_where_they_are_taken(decoded: Callable[..., Pictures]) -> None:
    found = decoded(allow_truncated=True)
    assert (found.rejects[4], found.flags[4]) == (None, "truncated")
    assert found.pixels[4].any()


def test_changed_and_missing_files(
    decoded: Callable[..., Pictures], folder: Path, make_picture: Callable[..., bytes]
) -> None:
    (folder / "0.png").write_bytes(make_picture(77))
    (folder / "1.png").unlink()
    (folder / "2.png").unlink()
    (folder / "2.png").mkdir()
    found = outcomes(decoded())
    assert found["0.png"] == ("checksum_mismatch", 1)
    assert found["1.png"] == ("missing", 2)  # transient: tried twice
    assert found["2.png"] == ("not_regular", 1)
    assert found["3.png"] is None


def test_what_comes_back_before_the_second_try_is_taken(
    decoded: Callable[..., Pictures], folder: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "1.png").unlink()
    read_below = Folder.read

    def read(root: Folder, location: str, **options: Any) -> bytes:
        if location == "cut.jpg":  # the last of the first round
            (folder / "1.png").write_bytes(files["1.png"])
        return read_below(root, location, **options)

    monkeypatch.setattr(Folder, "read", read)
    assert outcomes(decoded())["1.png"] is None


def test_limits_are_those_of_the_work(decoded: Callable[..., Pictures], files: dict[str, bytes]) -> None:
    found = outcomes(decoded(limits=ImageLimits(max_bytes=len(files["cut.jpg"]) - 1)))
    assert found["cut.jpg"] == ("too_many_bytes", 1)
    assert found["0.png"] is None


def test_seconds_are_counted_by_step(folder: Path, by_hand: Any, make_work: Callable[..., Any]) -> None:
    watch = Stopwatch()
    Decoder(make_work(by_hand.manifest(["0.png"], root=folder)))(np.arange(1), watch)
    assert set(watch.seconds) == {"fetch", "decode"}


def test_no_deadline_is_left_behind(decoded: Callable[..., Pictures]) -> None:
    decoded(image_timeout_s=30.0)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)

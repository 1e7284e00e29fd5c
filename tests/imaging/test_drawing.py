import hashlib
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from revsearch.imaging import drawing
from revsearch.imaging.drawing import DrawnCollection, draw_collection
from revsearch.imaging.drawn.things import CLASSES


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DrawnCollection]:
    folder = tmp_path_factory.mktemp("drawn") / "new" / "folder"
    return folder, draw_collection(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def good(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(folder).items() if "broken" not in name}


def test_the_layout_is_the_competitions(drawn: tuple[Path, DrawnCollection]) -> None:
    folder, counts = drawn
    names = sorted(contents(folder))
    assert len(names) >= 200
    by_role = Counter(name.split("/")[0] for name in names)
    assert by_role == {"gallery": counts.n_gallery, "query": counts.n_query, "distractor": counts.n_distractor}
    for role in ("gallery", "query"):
        assert {name.split("/")[1] for name in names if name.startswith(role)} == set(CLASSES)
    assert {name.count("/") for name in names} == {1, 2}
    base_names = [name.rpartition("/")[2] for name in names]
    assert len(set(base_names)) == len(base_names), "a submission names files without their folders"


def test_good_pictures_decode_and_are_no_noise(drawn: tuple[Path, DrawnCollection]) -> None:
    for name, data in good(drawn[0]).items():
        image = Image.open(io.BytesIO(data))
        image.load()
        assert image.format == ("PNG" if name.endswith(".png") else "JPEG")
        assert image.mode == "RGB"
        assert min(image.size) > 200
        pixels = np.asarray(image, dtype=int)
        assert pixels.std() > 12, name
        assert abs(np.diff(pixels, axis=1)).mean() < 12, f"{name}: neighbouring pixels are alike"


def test_twins_are_equal_bytes(drawn: tuple[Path, DrawnCollection]) -> None:
    folder, counts = drawn
    files = good(folder)
    hashes = Counter(hashlib.sha256(data).hexdigest() for data in files.values())
    assert sum(n - 1 for n in hashes.values()) == counts.n_twins == 4
    asked = [data for name, data in files.items() if name.startswith("query/") and "copy" in name]
    assert [data in [found for name, found in files.items() if name.startswith("gallery/")] for data in asked] == [True]


def test_broken_files_are_broken_each_in_its_way(drawn: tuple[Path, DrawnCollection]) -> None:
    folder, counts = drawn
    broken = {name.rpartition("/")[2]: data for name, data in contents(folder).items() if "broken" in name}
    assert len(broken) == counts.n_broken == 4
    assert broken["broken-empty.jpg"] == b""
    assert broken["broken-error-page.jpg"].startswith(b"<!DOCTYPE html>")
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(broken["broken-truncated.jpg"])).load()
    with pytest.raises(Image.DecompressionBombError, match="1000000000 pixels"):
        Image.open(io.BytesIO(broken["broken-huge.png"]))
    assert len(broken["broken-huge.png"]) == 57


def test_equal_seeds_are_equal_bytes_and_others_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_N_THINGS", 1)
    counts = [draw_collection(tmp_path / name, seed) for name, seed in (("once", 5), ("again", 5), ("other", 6))]
    assert counts[0] == counts[1] == counts[2]
    once, again, other = (contents(tmp_path / name) for name in ("once", "again", "other"))
    assert once == again
    assert once.keys() == other.keys()
    assert not set(good(tmp_path / "once").values()) & set(good(tmp_path / "other").values())


def histograms(files: dict[str, bytes]) -> np.ndarray:  # [n, 288]
    """Square roots of HSV histograms, unit length: a plain colour search."""
    rows = []
    for data in files.values():
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("HSV")).reshape(-1, 3) // (32, 22, 86)
        counts = np.bincount(pixels @ (36, 3, 1), minlength=288)
        rows.append(np.sqrt(counts / counts.sum()))
    return np.array(rows)


def test_colour_finds_most_but_not_all(drawn: tuple[Path, DrawnCollection]) -> None:
    files = good(drawn[0])
    queries = {name: data for name, data in files.items() if name.startswith("query/")}
    gallery = {name: data for name, data in files.items() if not name.startswith("query/")}
    labels = [name.split("/")[1] for name in gallery]  # a distractor's is its file name: no class
    order = np.argsort(-histograms(queries) @ histograms(gallery).T, axis=1)
    hits = [labels[order[n, 0]] == name.split("/")[1] for n, name in enumerate(queries)]
    assert 0.8 <= np.mean(hits) <= 0.95

"""The demo's pictures, drawn on the spot: a small collection in the layout of the course competition.

    <folder>/gallery/<class>/fish-2-view-3.jpg     views of things of ten classes, edited copies, twins, broken files
    <folder>/query/<class>/fish-2-query-1.jpg      further views of the same things
    <folder>/distractor/umbrella-4.jpg             other things

Things of different classes share colours and scenes, so that colour alone finds most things, but not all.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from revsearch.imaging.drawn.broken import broken_files
from revsearch.imaging.drawn.looks import Draw, choose_look
from revsearch.imaging.drawn.others import OTHERS
from revsearch.imaging.drawn.pen import Pen
from revsearch.imaging.drawn.scenes import SHEET, SIDE, draw_scene, draw_view
from revsearch.imaging.drawn.things import CLASSES

_N_THINGS = 4  # a class
_N_GALLERY = 4  # views a thing
_N_QUERY = 2
_N_DISTRACTORS = 30
_AT_HOME = 0.85  # share of views

Files = dict[str, bytes]  # by path below the folder


@dataclass(frozen=True, slots=True)
class DrawnCollection:
    """How many files were drawn, by role; twins and broken files lie among those of the gallery and the queries.

    Attributes:
        n_twins: files that have the same bytes as another one.
        n_broken: files that no job can read.
    """

    n_gallery: int
    n_query: int
    n_distractor: int
    n_twins: int
    n_broken: int


def draw_collection(folder: Path, seed: int = 0) -> DrawnCollection:
    """Draw the collection into `folder`; equal seeds give equal bytes.

    Raises:
        OSError: the folder cannot be written.
    """
    views = {name: data for of_class in range(len(CLASSES)) for name, data in _draw_class(of_class, seed)}
    firsts = {name: data for name, data in views.items() if name.endswith("-0-view-0.jpg")}
    twins, broken = _twins(firsts), _broken(firsts)
    files = views | dict(_draw_distractors(seed)) | dict(_edits(firsts)) | twins | broken
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    gallery, query, distractor = (
        sum(name.startswith(f"{role}/") for name in files) for role in ("gallery", "query", "distractor")
    )
    return DrawnCollection(gallery, query, distractor, len(twins), len(broken))


def _draw_class(of_class: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield the views of every thing of a class; one gallery view of each is a PNG."""
    label, draw = list(CLASSES.items())[of_class]
    for n in range(_N_THINGS):
        views = _views(draw, of_class, np.random.default_rng([seed, of_class, n]))
        for view in range(_N_GALLERY):
            kind = "png" if view == 1 else "jpg"
            yield f"gallery/{label}/{label}-{n}-view-{view}.{kind}", _encode(next(views), kind)
        for view in range(_N_QUERY):
            yield f"query/{label}/{label}-{n}-query-{view}.jpg", _encode(next(views))


def _draw_distractors(seed: int) -> Iterator[tuple[str, bytes]]:
    for n in range(_N_DISTRACTORS):
        name, draw = list(OTHERS.items())[n % len(OTHERS)]
        views = _views(draw, n, np.random.default_rng([seed, len(CLASSES), n]))
        yield f"distractor/{name}-{n}.jpg", _encode(next(views))


def _views(draw: Draw, kind: int, random: np.random.Generator) -> Iterator[Image.Image]:
    """Yield views of one thing without end, most of them in the scene where it is at home."""
    thing, home = Image.new("RGBA", (SHEET, SHEET)), draw_scene(random)
    draw(Pen(thing), choose_look(kind, random))
    while True:
        yield draw_view(thing, home if random.random() < _AT_HOME else draw_scene(random), random)


def _edits(firsts: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield near-duplicates of some pictures: each encoded badly, and cropped."""
    for name, data in firsts.items():
        stem, picture = name.removesuffix(".jpg"), Image.open(io.BytesIO(data))
        yield f"{stem}-low-quality.jpg", _encode(picture, quality=25)
        yield f"{stem}-cropped.jpg", _encode(picture.crop((12, 20, SIDE - 16, SIDE - 8)))


def _twins(firsts: Mapping[str, bytes]) -> Files:
    """Return copies, byte for byte: three in the gallery, and one that is asked for as a query."""
    names = list(firsts)
    copies = {f"{name.removesuffix('.jpg')}-copy.jpg": firsts[name] for name in names[:3]}
    asked = names[3].replace("gallery/", "query/").replace("view-0", "query-copy")
    return copies | {asked: firsts[names[3]]}


def _broken(firsts: Mapping[str, bytes]) -> Files:
    """Return the broken files, one in each of the first classes' gallery folders."""
    made = broken_files(next(iter(firsts.values())))
    return {f"{name.rpartition('/')[0]}/{bad}": data for name, (bad, data) in zip(firsts, made.items(), strict=False)}


def _encode(picture: Image.Image, kind: str = "jpg", quality: int = 88) -> bytes:
    data = io.BytesIO()
    if kind == "png":
        picture.save(data, "PNG")
    else:
        picture.save(data, "JPEG", quality=quality)
    return data.getvalue()

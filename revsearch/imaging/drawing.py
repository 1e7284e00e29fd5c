"""The demo's pictures, drawn on the spot: a small collection in the layout of the course competition.

    <folder>/gallery/<class>/fish-2-view-3.jpg     views of things of ten classes, edited copies, twins, broken files
    <folder>/query/<class>/fish-2-query-1.jpg      further views of the same things
    <folder>/distractor/umbrella-4.jpg             other things

Things of different classes share colours and scenes, so that colour alone finds most things, but not all.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from revsearch.imaging.drawn.broken import broken_files
from revsearch.imaging.drawn.pen import Colour, Look, Pen
from revsearch.imaging.drawn.scenes import SHEET, SIDE, draw_view
from revsearch.imaging.drawn.things import CLASSES, OTHERS, Draw

_N_THINGS = 4  # a class
_N_GALLERY = 4  # views a thing
_N_QUERY = 2
_N_DISTRACTORS = 30
_QUALITY = 88  # of JPEG

_PALETTES: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((206, 62, 54), (244, 226, 196), (60, 86, 140)),
    ((52, 108, 172), (240, 240, 236), (232, 150, 52)),
    ((232, 168, 48), (178, 70, 60), (250, 240, 210)),
    ((86, 148, 84), (238, 212, 96), (196, 66, 70)),
    ((136, 84, 158), (236, 190, 214), (250, 214, 90)),
    ((226, 116, 138), (250, 236, 226), (110, 150, 96)),
    ((64, 156, 160), (252, 226, 160), (206, 88, 66)),
    ((150, 106, 72), (226, 198, 160), (86, 120, 152)),
)


@dataclass(frozen=True, slots=True)
class DrawnCollection:
    """How many files were drawn, by role; twins and broken ones are among those of the gallery and the queries.

    Attributes:
        n_twins: files that have the same bytes as another one.
        n_broken: files that must be rejected.
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
    files = dict(_files(seed))
    originals = {name: data for name, data in files.items() if "-view-0" in name}
    twins = dict(_twins(originals))
    broken = dict(_broken(originals))
    files |= dict(_edits(originals)) | twins | broken
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    n_in = {role: sum(name.startswith(f"{role}/") for name in files) for role in ("gallery", "query", "distractor")}
    return DrawnCollection(n_in["gallery"], n_in["query"], n_in["distractor"], len(twins), len(broken))


def _files(seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of all views of all things, and of the distractors."""
    for of_class, (label, draw) in enumerate(CLASSES.items()):
        for n in range(_N_THINGS):
            random = np.random.default_rng([seed, of_class, n])
            thing = _draw_thing(draw, random)
            for view in range(_N_GALLERY):
                yield f"gallery/{label}/{label}-{n}-view-{view}.{_kind(view)}", _encode(draw_view(thing, random), view)
            for view in range(_N_QUERY):
                yield f"query/{label}/{label}-{n}-query-{view}.jpg", _encode(draw_view(thing, random))
    names = list(OTHERS)
    for n in range(_N_DISTRACTORS):
        name = names[n % len(names)]
        random = np.random.default_rng([seed, len(CLASSES), n])
        yield f"distractor/{name}-{n}.jpg", _encode(draw_view(_draw_thing(OTHERS[name], random), random))


def _draw_thing(draw: Draw, random: np.random.Generator) -> Image.Image:
    sheet = Image.new("RGBA", (SHEET, SHEET))
    palette = _PALETTES[random.integers(len(_PALETTES))]
    draw(Pen(sheet), Look(*palette, pattern=int(random.integers(4)), build=random.random()))
    return sheet

"""Every file of a large hostile collection, and every mutant, ends in the enum."""

import csv
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from revsearch.rejects import Reason
from revsearch.specs import ImageLimits
from tests.hostile_files import MADE, READABLE

Encode = Callable[..., bytes]
Outcome = Callable[..., str]
Measured = Callable[[str, bytes], dict[str, Any]]


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_all_hostile_files(shared_data: Path, limits: ImageLimits, outcome: Outcome) -> None:
    with (shared_data / "hostile_manifest.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    unsupported = 0
    for row in rows:
        data = (shared_data / "hostile" / row["file"]).read_bytes()
        found = outcome(data)
        assert found.split()[0] == "ok" or found in set(Reason), row["file"]
        if row["format"] and row["format"] not in READABLE:
            unsupported += 1
            assert found == "unsupported_format", row["file"]
        elif row["load_ok"] == "1" and within(row, limits):
            assert found.split()[0] == "ok", row["file"]
    assert (len(rows), unsupported) == (891, 116)


def within(row: dict[str, str], limits: ImageLimits) -> bool:
    shorter, longer = sorted((int(row["width"]), int(row["height"])))
    return longer <= limits.max_ratio * shorter and longer <= limits.max_side


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.data
def test_made_files_end_as_the_table_says(shared_data: Path, outcome: Outcome) -> None:
    files = sorted((shared_data / "hostile").glob("made_*"))
    assert set(MADE) < {file.name for file in files}
    for file in files:
        assert outcome(file.read_bytes()) == MADE.get(file.name, "ok"), file.name


def test_20000_mutants(photo: Image.Image, encode: Encode, measured: Measured) -> None:
    small = photo.resize((64, 48))
    exif = Image.Exif()
    exif[0x0112] = 6
    seeds = [
        encode(small, "JPEG", exif=exif, icc_profile=b"profile"),
        encode(small, "JPEG", progressive=True),
        encode(small.convert("CMYK"), "JPEG"),
        encode(small, "PNG"),
        encode(small.quantize(16), "PNG", transparency=3),
        encode(small, "GIF", save_all=True, append_images=[small.rotate(180)]),
        encode(small, "BMP"),
        encode(small, "TIFF", compression="tiff_lzw"),
        encode(small, "WEBP", exif=exif),
        encode(small, "AVIF"),
    ]
    found = measured(MUTATE, b"".join(struct.pack(">I", len(seed)) + seed for seed in seeds))
    assert sum(found["outcomes"].values()) == 20_000
    assert {name.split()[0] for name in found["outcomes"]} <= {"ok", *Reason}
    assert found["slowest_s"] < 1
    assert found["peak_mb"] < 300


MUTATE = """
import warnings
from collections import Counter

def mutant(seed, rng):
    data = bytearray(seed)
    for _ in range(rng.randint(1, 8)):
        place = rng.randrange(len(data)) if rng.random() < 0.5 else rng.randrange(min(len(data), 200))
        kind = rng.random()
        if kind < 0.7:
            data[place] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif kind < 0.8:
            del data[place : place + rng.randint(1, 16)]
        elif kind < 0.9:
            data[place:place] = rng.randbytes(rng.randint(1, 16))
        else:
            data = data[: max(16, len(data) - rng.randrange(len(data)))]
    return bytes(data)

seeds = []
while data:
    length = int.from_bytes(data[:4])
    seeds.append(data[4 : 4 + length])
    data = data[4 + length :]
warnings.simplefilter("ignore")
rng, outcomes, slowest = random.Random(0), Counter(), 0.0
for turn in range(20_000):
    start = time.process_time()  # a busy machine is no hang; one that sleeps meets the subprocess's limit
    outcomes[outcome(mutant(seeds[turn % len(seeds)], rng), allow_truncated=turn % 2 == 0)] += 1
    slowest = max(slowest, time.process_time() - start)
found["outcomes"], found["slowest_s"] = dict(outcomes), slowest
"""

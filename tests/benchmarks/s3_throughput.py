"""How fast objects of a bucket are read, beside a bare download of the same objects by boto3.

    python -m tests.benchmarks.s3_throughput [--images 4000] [--rounds 3]

Starts a radosgw of its own, puts pictures of 5 to 100 KB into it, and measures in turns, in this process and a local
Ray: `bare` is `get_object` by 16 threads of one process; `manifest` reads, hashes and looks at headers; `embed` reads,
checks, decodes and embeds by color-histogram; `folder_…` are the same from a folder. All are images a second without
start-up: of `manifest` by workers that have read before, of `embed` after each actor's first part. Requests are counted
by a proxy, in a run of their own over 1,000 images with the store in the same bucket. Prints one JSON line: every
round, the medians, their ratios to `bare`, and requests for 1,000 images.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Self

import boto3
import numpy as np
from botocore.config import Config
from PIL import Image

from revsearch.specs import EmbedSpec, ManifestSpec, Resources
from revsearch.stages import cluster
from revsearch.stages.embed import embed
from revsearch.stages.manifest import make_manifest
from revsearch.storage.opening import open_store
from revsearch.storage.vectors import read_part_rows
from tests.benchmarks.commands import rounded
from tests.servers.faulty import Asked, faulty
from tests.servers.radosgw import radosgw
from tests.servers.server import Server

_DRAWN = 200  # pictures; the others are the same with other bytes after their end
_THREADS = 16
_COUNTED = 1_000
_WARM = 64  # images that workers read before they are measured
_HERE = Resources()

Files = dict[str, bytes]


def main() -> None:
    """Measure in turns, and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(radosgw())
        os.environ |= server.environment
        cluster.connect(_HERE)
        files = _pictures(asked.images)
        bucket, folder = _filled(server, files), _written(place / "images", files)
        warm = _filled(server, dict(list(files.items())[:_WARM]))
        load, rounds = os.getloadavg()[0], list[dict[str, float]]()
        for number in range(asked.rounds):
            make_manifest(ManifestSpec((warm,)), open_store(str(place / f"warm-{number}")), _HERE)
            ours = _measured(bucket, place / f"store-{number}")
            local = {f"folder_{name}": rate for name, rate in _measured(folder, place / f"local-{number}").items()}
            rounds.append({"bare": _bare(server, bucket), **ours, **local})
        requests = _requests(server, dict(list(files.items())[:_COUNTED]))
    medians = {name: median(each[name] for each in rounds) for name in rounds[0]}
    told = {
        "medians": medians,
        "of_bare": {name: medians[name] / medians["bare"] for name in ("manifest", "embed")},
        "requests_for_1000": requests,
        "mean_bytes": sum(map(len, files.values())) / len(files),
        "cpus": os.cpu_count(),
        "load_before": load,
        "rounds": rounds,
    }
    sys.stdout.write(json.dumps(rounded(told)) + "\n")


def _pictures(n: int) -> Files:
    """Return pictures of 5 to 100 KB, no two with the same bytes."""
    rng, drawn = np.random.default_rng(0), list[bytes]()
    for side in np.geomspace(90, 480, _DRAWN).astype(int):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).resize(
            (side, side), Image.Resampling.BICUBIC
        )
        noisy = np.asarray(coarse, np.int16) + rng.normal(0, 18, (side, side, 3))
        data = BytesIO()
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(data, "JPEG", quality=88)
        drawn.append(data.getvalue())
    return {f"{number % 20:02d}/{number:05d}.jpg": drawn[number % _DRAWN] + b"%d" % number for number in range(n)}


def _filled(server: Server, files: Files) -> str:
    bucket, client = server.make_bucket(), server.client()
    name = bucket.removeprefix("s3://")
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(
                lambda each: client.put_object(Bucket=name, Key=f"images/{each[0]}", Body=each[1]), files.items()
            )
        )
    return f"{bucket}/images"


def _written(folder: Path, files: Files) -> str:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return str(folder)


def _measured(source: str, place: Path) -> dict[str, float]:
    store = open_store(str(place))
    with _Told("manifest") as told:
        manifest = make_manifest(ManifestSpec((source,)), store, _HERE)
    embeddings = embed(EmbedSpec(str(manifest), encoder="color-histogram"), store, _HERE)
    parts = sorted((place / str(embeddings)).glob("part-*"), key=lambda path: path.stat().st_mtime_ns)
    first = os.cpu_count() or 1  # a part of each actor, with its start-up in it
    if len(parts) < 3 * first:
        raise SystemExit(
            f"expected at least {3 * first} parts to measure between, found {len(parts)}; take more images"
        )
    n_rows = sum(len(read_part_rows(part)) for part in parts[first:])
    between = parts[-1].stat().st_mtime - parts[first - 1].stat().st_mtime
    return {"manifest": told.rate, "embed": n_rows / between}


class _Told(logging.Handler):
    """Listens to the progress of a step: its first line stands before its work begins."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self.step, self.seen = step, list[tuple[float, int]]()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        if record.step == self.step:  # type: ignore[attr-defined]  # given by `Progress`
            self.seen.append((record.created, record.done))  # type: ignore[attr-defined]

    @property
    def rate(self) -> float:
        """Rows a second, from the first line to the last."""
        return self.seen[-1][1] / (self.seen[-1][0] - self.seen[0][0])

    def __enter__(self) -> Self:
        logger = logging.getLogger("revsearch.progress")
        logger.setLevel(logging.INFO)
        logger.addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger("revsearch.progress").removeHandler(self)


def _bare(server: Server, uri: str) -> float:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    client = boto3.client("s3", config=Config(max_pool_connections=_THREADS))
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    keys = [entry["Key"] for page in pages for entry in page["Contents"]]

    def get(key: str) -> int:
        return len(client.get_object(Bucket=bucket, Key=key)["Body"].read())

    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(get, keys[:_WARM]))
        began = time.perf_counter()
        list(threads.map(get, keys))
        return len(keys) / (time.perf_counter() - began)


def _requests(server: Server, files: Files) -> dict[str, dict[str, int]]:
    """Count requests by stage and operation; keys of images, and what is beside them: the store."""
    uri = _filled(server, files)
    counts = Counter[str]()

    def count(asked: Asked) -> None:
        counts[f"{asked.operation} of images" if asked.key.startswith("images/") else asked.operation] += 1

    told = {}
    with faulty(server, count) as proxy:
        os.environ |= proxy.server.environment
        store = open_store(uri.replace("/images", "/store"))
        counts.clear()
        manifest = make_manifest(ManifestSpec((uri,)), store, _HERE)
        told["manifest"] = dict(counts)
        counts.clear()
        make_manifest(ManifestSpec((uri,)), store, _HERE)
        told["manifest, unchanged"] = dict(counts)
        counts.clear()
        embed(EmbedSpec(str(manifest), encoder="color-histogram"), store, _HERE)
        told["embed"] = dict(counts)
    return told


if __name__ == "__main__":
    main()

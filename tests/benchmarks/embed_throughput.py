"""How fast `revsearch embed` is beside a plain PyTorch loop, measured in turns on this machine.

    python -m tests.benchmarks.embed_throughput IMAGES... --model mobilenet_v2 --weights FILE [--rounds 3]

Both run as processes of their own, from nothing to the end, ours into a new store each time. `steady` is images a
second without start-up: of ours from the first part to the last, of the loop after its first batch. `seconds` is the
whole command. Prints one JSON line: every round, the medians, and how many times faster ours is.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from revsearch.storage.vectors import read_part_rows
from tests.benchmarks.commands import revsearch, rounded, stdout

ROLES = ("gallery", "query", "train", "distractor")  # a folder each: a manifest takes one source a role
WEIGHTS_NAME = "IMAGENET1K_V1"  # whose preset both use

Measured = dict[str, float]


def main() -> None:
    """Measure in turns, and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help=f"up to {len(ROLES)} folders of sound pictures")
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    measured: dict[str, list[Measured]] = {"ours": [], "plain": []}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        listed = Path(place, "listed")
        sources = [f"{role}={folder}" for role, folder in zip(ROLES, asked.folders, strict=False)]
        manifest = revsearch("manifest", *sources, "--store", listed)
        encoder = f"{asked.model}:{WEIGHTS_NAME}@{asked.weights}"
        for number in range(asked.rounds):
            store = Path(shutil.copytree(listed, Path(place, f"store-{number}")))
            measured["ours"].append(_ours(store, manifest, encoder))
            measured["plain"].append(_plain(asked.folders, asked.model, asked.weights))
    medians = {side: {name: median(each[name] for each in runs) for name in runs[0]} for side, runs in measured.items()}
    times = {
        "steady": medians["ours"]["steady"] / medians["plain"]["steady"],
        "seconds": medians["plain"]["seconds"] / medians["ours"]["seconds"],
    }
    told = {"medians": medians, "times_faster": times, "cpus": os.cpu_count(), "load_before": load, "rounds": measured}
    sys.stdout.write(json.dumps(rounded(told)) + "\n")


def _ours(store: Path, manifest: str, encoder: str) -> Measured:
    began = time.perf_counter()
    embeddings = revsearch("embed", "--manifest", manifest, "--encoder", encoder, "--store", store)
    seconds = time.perf_counter() - began
    parts = sorted(store.joinpath(embeddings).glob("part-*"), key=lambda path: path.stat().st_mtime_ns)
    if len(parts) < 3:
        raise SystemExit(f"expected at least 3 parts to measure between, found {len(parts)}; take more images")
    n_rows = [len(read_part_rows(part)) for part in parts]
    between = parts[-1].stat().st_mtime - parts[0].stat().st_mtime
    return {"images": sum(n_rows), "seconds": seconds, "steady": sum(n_rows[1:]) / between}


def _plain(folders: list[Path], model: str, weights: Path) -> Measured:
    loop = Path(__file__).with_name("plain_loop.py")
    began = time.perf_counter()
    told = stdout(sys.executable, str(loop), *map(str, folders), "--model", model, "--weights", str(weights))
    measured: Measured = json.loads(told)
    return {**measured, "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    main()

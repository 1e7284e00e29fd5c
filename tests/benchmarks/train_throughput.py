"""How fast `revsearch train triplet` is beside a plain PyTorch loop that does the same work, measured in turns.

    python -m tests.benchmarks.train_throughput CLASSES --weights FILE [--rounds 3] [--epochs 4] [--steps 10]

CLASSES is a folder of a folder a class. Both fine-tune mobilenet_v2 with the same views, batches and loss, as
processes of their own; ours into a new store each time, validation left out. `steady` is images a second after the
first epoch, `seconds` the whole command. The loop runs as it is, and once more with the allocator set up as our
workers do (`tuned`). Prints one JSON line: every round, the medians, and how many times faster ours is.
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
from typing import Any

from revsearch.training import History
from tests.benchmarks.commands import revsearch, rounded, stdout

MODEL = "mobilenet_v2"
ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1), "MALLOC_TOP_PAD_": str(64 * 2**20)}

Measured = dict[str, float]


def main() -> None:
    """Measure in turns, and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a folder a class")
    parser.add_argument("--weights", type=Path, required=True, help=f"state dict of {MODEL}")
    for name, default in (("rounds", 3), ("epochs", 4), ("steps", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    measured: dict[str, list[Measured]] = {"ours": [], "plain": [], "tuned": []}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        listed = Path(place, "listed")
        manifest = revsearch("manifest", f"train={asked.folder}", "--store", listed)
        for number in range(asked.rounds):
            store = Path(shutil.copytree(listed, Path(place, f"store-{number}")))
            measured["ours"].append(_ours(store, manifest, asked))
            measured["plain"].append(_plain(asked, {}))
            measured["tuned"].append(_plain(asked, ALLOCATOR))
    medians = {side: {name: median(each[name] for each in runs) for name in runs[0]} for side, runs in measured.items()}
    times = {
        side: {
            "steady": medians["ours"]["steady"] / medians[side]["steady"],
            "seconds": medians[side]["seconds"] / medians["ours"]["seconds"],
        }
        for side in ("plain", "tuned")
    }
    told = {"medians": medians, "times_faster": times, "cpus": os.cpu_count(), "load_before": load, "rounds": measured}
    sys.stdout.write(json.dumps(rounded(told)) + "\n")


def _ours(store: Path, manifest: str, asked: argparse.Namespace) -> Measured:
    encoder = f"{MODEL}:IMAGENET1K_V1@{asked.weights}"
    options: dict[str, Any] = {"manifest": manifest, "encoder": encoder, "store": store, "epochs": asked.epochs}
    options |= {"steps-per-epoch": asked.steps, "validate-every": asked.epochs, "rare": "skip"}
    began = time.perf_counter()
    trained = revsearch("train", "triplet", *(text for name in options for text in (f"--{name}", options[name])))
    seconds = time.perf_counter() - began
    (path,) = store.joinpath(trained).glob("history-*.json")
    _, *steady = History.from_dict(json.loads(path.read_bytes())).epochs
    rate = sum(record.n_images for record in steady) / sum(record.seconds for record in steady)
    return {"images": asked.epochs * steady[0].n_images, "seconds": seconds, "steady": rate}


def _plain(asked: argparse.Namespace, allocator: dict[str, str]) -> Measured:
    loop = Path(__file__).with_name("plain_train_loop.py")
    options = [f"--epochs={asked.epochs}", f"--steps={asked.steps}", f"--weights={asked.weights}"]
    began = time.perf_counter()
    told = stdout(sys.executable, str(loop), str(asked.folder), *options, environment={**os.environ, **allocator})
    measured: Measured = json.loads(told)
    return {**measured, "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    main()

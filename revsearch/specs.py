"""What may be asked of each stage, and where it runs.

A spec says WHAT and WHICH and is fingerprinted; `Resources` says WHERE and never is. The command line is generated
from these classes: a field's metadata is its help text, its bounds and whether it stands without a flag.
"""

import difflib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from revsearch.errors import InvalidSpec
from revsearch.manifest import Role
from revsearch.space import Fit, Pooling

Labels = Literal["auto", "none", "parent", "top"]
Precision = Literal["fp32", "bf16", "fp16"]
StoreDtype = Literal["float32", "float16"]
IndexKind = Literal["auto", "exact", "hnsw"]
Metric = Literal["cosine", "l2"]
Protocol = Literal["auto", "competition", "ukbench", "all-vs-all"]
Twins = Literal["keep", "junk"]

MAX_SEED = 2**32 - 1  # what every generator of random numbers takes

Place = Literal["path", "path or id"]

_MISSING = object()


def option(
    default: Any = _MISSING,
    *,
    help: str,
    at_least: float | None = None,
    at_most: float | None = None,
    positional: bool = False,
    short: str | None = None,
    place: Place | None = None,
    rest: bool = False,
) -> Any:
    """Declare a spec field: default (none: required), help, inclusive bounds, whether it has no flag, a short one.

    `place` says that it names files which every worker must see, and which outlast the job; `rest` that it is another
    command with its own options, and so takes all words from its first one on.
    """
    metadata = {
        "help": help,
        "at_least": at_least,
        "at_most": at_most,
        "positional": positional,
        "short": short,
        "place": place,
        "rest": rest,
    }
    if default is _MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


def problems(spec: Any) -> list[str]:
    """Return everything wrong with a spec's values, one sentence a problem; empty where it is sound."""
    found = [problem for declared in fields(spec) for problem in _out_of_bounds(spec, declared)]
    return found + list(spec.conflicts()) if hasattr(spec, "conflicts") else found


def require_sound(spec: Any) -> None:
    """Refuse a spec with values out of bounds, all problems at once.

    Raises:
        InvalidSpec: with one line a problem.
    """
    if found := problems(spec):
        raise InvalidSpec(*found)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean NAME?` for the nearest known name, or nothing where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _out_of_bounds(spec: Any, declared: Any) -> Iterator[str]:
    value, low, high = getattr(spec, declared.name), declared.metadata.get("at_least"), declared.metadata.get("at_most")
    if value is None or isinstance(value, str | bool | tuple):
        return
    flag = declared.name.replace("_", "-")
    if not math.isfinite(value):
        yield f"--{flag}: expected a finite number, found {value}"
        return
    if low is not None and value < low:
        yield f"--{flag}: expected at least {low}, found {value}"
    if high is not None and value > high:
        yield f"--{flag}: expected at most {high}, found {value}"


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What a picture may ask of us before it is rejected; checked on the header, before any pixel is decoded."""

    max_pixels: int = 50_000_000
    max_side: int = 20_000
    max_bytes: int = 64 * 2**20
    max_ratio: float = 50.0  # longer side / shorter side


@dataclass(frozen=True)
class ManifestSpec:
    """Collect images into a manifest: bad files and duplicates found, nothing lost."""

    sources: tuple[str, ...] = option(
        help="folders of images, or lists (.csv .jsonl .parquet) with a uri column, also s3://; ROLE=SRC gives a role",
        positional=True,
        place="path",
    )
    role: Role | None = option(None, help="role of every image (default: by folder name, else gallery)")
    labels: Labels = option(
        "auto",
        help="where a label is read from: the folder that holds the image (parent), the first below the root (top)",
    )
    sample_queries: int = option(0, help="make this many seeded gallery images queries", at_least=0)
    seed: int = option(0, help="seed of --sample-queries", at_least=0, at_most=MAX_SEED)
    root: str | None = option(
        None,
        help="folder, s3://bucket/prefix, or s3:// for all buckets: a list's locations are relative to it and may lie "
        "nowhere else (default: the list's own folder)",
        place="path",
    )
    follow_symlinks: bool = option(False, help="follow links that lead out of the root")
    on_bad_row: Literal["fail", "skip"] = option("fail", help="what a broken row of a list leads to")
    max_pixels: int = option(ImageLimits().max_pixels, help="reject pictures of more pixels", at_least=1)
    max_side: int = option(ImageLimits().max_side, help="reject pictures with a longer side", at_least=1)
    max_bytes: int = option(ImageLimits().max_bytes, help="reject files of more bytes", at_least=1)
    max_ratio: float = option(ImageLimits().max_ratio, help="reject pictures of a more extreme aspect", at_least=1)

    @property
    def limits(self) -> ImageLimits:
        """The limits a picture's header is held against."""
        return ImageLimits(self.max_pixels, self.max_side, self.max_bytes, self.max_ratio)


@dataclass(frozen=True)
class EmbedSpec:
    """Embed every image of a manifest, in parallel."""

    manifest: str = option(help="manifest id or ref")
    encoder: str = option(
        "resnet50:IMAGENET1K_V2",
        help="MODEL:WEIGHTS, MODEL:WEIGHTS@FILE, color-histogram, encoder/ID, or the one of an index/ID",
    )
    pooling: Pooling | None = option(None, help="feature map to vector (default: gap, or native where there is no map)")
    fit: Fit | None = option(None, help="how a picture is made square (default: the encoder's own)")
    image_size: int | None = option(
        None, help="side of the encoder's input (default: its own)", at_least=16, at_most=4096
    )
    precision: Precision = option("fp32", help="arithmetic of the forward pass")
    store_dtype: StoreDtype = option("float32", help="type of the stored vectors")
    allow_truncated: bool = option(False, help="take pictures whose data end early, and flag them")
    retry: str | None = option(None, help="embeddings id: keep its good rows, try its transient rejects again")


@dataclass(frozen=True)
class IndexSpec:
    """Merge embeddings and build the index over gallery and distractor rows."""

    embeddings: tuple[str, ...] = option(help="embeddings ids or refs, all of one space")
    kind: IndexKind = option("auto", help="auto takes exact below the measured crossover")
    metric: Metric = option("cosine", help="cosine normalises vectors; l2 takes them as they are")
    M: int = option(16, help="links a node of the graph", at_least=2, at_most=512)
    ef_construction: int = option(200, help="width of the search while building", at_least=2, at_most=10_000)
    shards: int = option(1, help="sub-graphs, searched side by side", at_least=1, at_most=1024)
    seed: int = option(0, help="seed of the graph's levels", at_least=0, at_most=MAX_SEED)

    def conflicts(self) -> Iterator[str]:
        """Yield what does not go together."""
        if self.ef_construction < self.M:
            yield f"--ef-construction: expected at least M = {self.M}, found {self.ef_construction}"


@dataclass(frozen=True)
class RankSpec:
    """Rank the gallery for every query: top-k lists, best first."""

    index: str = option(help="index id or ref")
    queries: tuple[str, ...] = option(
        help="embeddings id, or folders and image files, also s3://", positional=True, place="path or id"
    )
    k: int = option(10, help="gallery images a query", at_least=1)
    exact: bool = option(False, help="compare with every vector, graph or not")
    target_ann_recall: float = option(
        0.99, help="ann_recall_at_k the graph's ef is tuned to, against exact search", at_least=0, at_most=1
    )
    sample: int = option(0, help="rank this many seeded queries only; 0 ranks all", at_least=0)
    seed: int = option(0, help="seed of --sample and of tuning", at_least=0, at_most=MAX_SEED)


@dataclass(frozen=True)
class EvaluateSpec:
    """Score rankings against labels, groups or a truth file, and show them."""

    rankings: str = option(help="rankings id or ref")
    truth: str | None = option(
        None, help="relevant ids a query: JSONL {query, relevant, junk}, CSV query,relevant; also s3://"
    )
    protocol: Protocol = option("auto", help="which metrics, with which conventions")
    twins: Twins = option("keep", help="junk takes gallery images that are byte-identical to the query out")
    bootstrap: int = option(1000, help="resamples of the 95 %% intervals", at_least=100, at_most=100_000)
    seed: int = option(0, help="seed of the resamples", at_least=0, at_most=MAX_SEED)
    sheets: int = option(24, help="queries shown with their closest images", at_least=1)
    allow_leakage: bool = option(False, help="judge an encoder by images it was trained on too; the report says so")


@dataclass(frozen=True)
class Resources:
    """WHERE a job runs and how fast. Never enters a fingerprint.

    Attributes:
        address: Ray cluster; None takes RAY_ADDRESS, else a new local Ray.
        workers: actors that embed or workers that train; 0 takes one a GPU, without GPUs one a CPU, to train as many as
            divide the batch, 8 at most on CPUs.
        gpus_per_worker: GPUs a worker, fractions allowed; 0 runs on CPU; None takes GPUs where there are any.
        decode_workers: CPU workers that decode for GPU actors; of training, for each worker; 0 takes the CPUs left.
        batch_size: images a forward pass.
        threads: threads a worker computes with; 0 takes its share of the CPUs.
        image_timeout_s: seconds one image may take before it is rejected as `timeout`.
    """

    address: str | None = option(None, help="Ray cluster (default: RAY_ADDRESS, else a new local Ray on 127.0.0.1)")
    workers: int = option(0, help="workers; 0: one a GPU, or without GPUs one a CPU", at_least=0)
    gpus_per_worker: float | None = option(None, help="GPUs a worker; 0: CPU (default: GPUs if there are)", at_least=0)
    decode_workers: int = option(0, help="CPU workers that decode, for GPUs or for training; 0: CPUs left", at_least=0)
    batch_size: int = option(32, help="images a forward pass", at_least=1, at_most=4096)
    threads: int = option(0, help="threads a worker; 0: its share of the CPUs", at_least=0, at_most=1024)
    image_timeout_s: float = option(60.0, help="seconds one image may take", at_least=0.1, at_most=86_400)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a stage would do: the answer to --dry-run. None where that is not known beforehand.

    Attributes:
        rows: rows it would take in.
        parts: parts it would write.
        bytes: bytes it would read or write, whichever is more.
        resources: where it would run; None where no cluster takes part.
    """

    rows: int | None
    parts: int | None
    bytes: int | None
    resources: Resources | None = None
    note: str = ""

"""Which vectors may be taken over, and from where; that they are is tried in `test_embed`, with Ray."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from revsearch.descriptors.color_histogram import SPACE
from revsearch.stages.embedder import EmbedRows
from revsearch.stages.takeover import find_sources, take_over
from revsearch.storage.artifact import Artifact
from revsearch.storage.local import LocalStore

N = 6


@pytest.fixture
def manifest(
    tmp_path: Path, by_hand: Any, make_picture: Callable[..., bytes], write_files: Callable[..., Path]
) -> Artifact:
    folder = write_files(tmp_path / "in", {f"{n}.png": make_picture(n) for n in range(N)})
    made: Artifact = by_hand.manifest([f"{n}.png" for n in range(N)], root=folder)
    return made


@pytest.fixture
def committed(manifest: Artifact, by_hand: Any) -> Artifact:
    vectors = np.random.default_rng(0).normal(size=(N, SPACE.dim)).astype(np.float32)
    made: Artifact = by_hand.embeddings(manifest, vectors, encoder_space=SPACE)
    return made


def names(sources: list[Any]) -> set[str]:
    return {artifact for artifact, _ in sources}


def test_parts_of_this_job_come_first(manifest: Artifact, committed: Artifact, make_work: Any) -> None:
    work = make_work(manifest)
    EmbedRows(work)(np.arange(2))
    found = list(find_sources(work))
    assert found[0] == (work.draft.prefix, work.draft.found_parts("part")[0])
    assert found[1:] == [(str(committed), part) for part in committed.parts("part")]


@pytest.mark.parametrize(
    "other",
    [
        {"space": replace(SPACE, weights="revision-0")},
        {"space": replace(SPACE, preprocess=replace(SPACE.preprocess, fit="pad"))},
        {"precision": "bf16"},
        {"store_dtype": "float16"},
        {"allow_truncated": True},
    ],
)
def test_vectors_of_another_make_are_left_alone(
    manifest: Artifact, committed: Artifact, make_work: Any, other: dict[str, Any]
) -> None:
    assert names(find_sources(make_work(manifest))) == {str(committed)}
    assert list(find_sources(make_work(manifest, **other))) == []


def test_what_is_not_committed_is_no_source(manifest: Artifact, store: LocalStore, make_work: Any) -> None:
    store.write("embeddings/aaaaaaaaaaaa/part-x.parquet", b"half")
    assert list(find_sources(make_work(manifest))) == []


def test_nothing_wanted_needs_no_ray(manifest: Artifact, committed: Artifact, make_work: Any) -> None:
    work, nothing = make_work(manifest), np.empty(0, np.int64)
    assert list(take_over(work, find_sources(work), nothing, np.empty((0, 32), np.uint8))) == []
    assert not ray.is_initialized()

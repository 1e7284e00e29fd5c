"""Pictures that end or hold up their worker: found, rejected, and nothing else is lost."""

import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from numpy.typing import NDArray
from PIL import Image

from revsearch.descriptors.color_histogram import SPACE
from revsearch.rejects import Reason
from revsearch.specs import EmbedSpec, Resources
from revsearch.stages import embed_isolated
from revsearch.stages.embed import embed
from revsearch.stages.embed_work import EmbedWork
from revsearch.stages.embedder import EmbedRows, Summary
from revsearch.stages.resources import Pool
from revsearch.storage.local import LocalStore
from revsearch.storage.reject_table import read_rejects
from revsearch.storage.vectors import read_part

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("local_ray")]

TIMEOUT_S = 1.0  # a thousand times what the small pictures take
POOL = Pool(n_actors=2, n_decoders=0, cpus_per_actor=1.0, gpus_per_actor=0, threads=1)


def slow_picture() -> bytes:
    """A JPEG of 49 megapixels of noise in many scans: seconds of work for any decoder."""
    noise = np.random.default_rng(0).integers(0, 256, (250, 250, 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(np.tile(noise, (28, 28, 1))).save(data, "JPEG", quality=60, progressive=True, subsampling=0)
    return data.getvalue()


@pytest.fixture
def files(make_picture: Callable[..., bytes]) -> dict[str, bytes]:
    return {f"{n:02}.png": make_picture(n) for n in range(12)}


def test_a_picture_that_takes_too_long_is_the_only_one_lost(
    store: LocalStore,
    by_hand: Any,
    files: dict[str, bytes],
    tmp_path: Path,
    write_files: Callable[..., Path],
    read_vectors: Callable[..., dict[str, NDArray[np.float32]]],
) -> None:
    folder = write_files(tmp_path / "in", files | {"05-slow.jpg": slow_picture()})
    manifest = by_hand.manifest(sorted([*files, "05-slow.jpg"]), root=folder)
    began = time.monotonic()
    spec = EmbedSpec(str(manifest), encoder="color-histogram")
    artifact = embed(spec, store, Resources(image_timeout_s=TIMEOUT_S))
    assert time.monotonic() - began < 120
    (reject,) = read_rejects(store, artifact)
    assert (reject.id, reject.reason, reject.attempt) == ("05-slow.jpg", Reason.TIMEOUT, 2)
    assert reject.uri == str(folder / "05-slow.jpg")
    assert read_vectors(store, artifact).keys() == files.keys()
    assert artifact.card.counts.rejected == {"timeout": 1}


@pytest.mark.parametrize("killers", [{0}, {3, 11}])
def test_pictures_that_end_their_process_are_found_by_halving(
    by_hand: Any,
    make_work: Callable[..., EmbedWork],
    files: dict[str, bytes],
    tmp_path: Path,
    write_files: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    killers: set[int],
) -> None:
    work = make_work(by_hand.manifest(list(files), root=write_files(tmp_path / "in", files)))

    @ray.remote(max_retries=0)
    def embed_or_die(work: EmbedWork, rows: NDArray[np.int64]) -> Summary:
        if killers & set(rows.tolist()):
            os._exit(9)
        return EmbedRows(work)(rows)

    monkeypatch.setattr(embed_isolated, "_embed", embed_or_die)
    told: list[Summary] = []
    embed_isolated.embed_isolated(work, POOL, np.arange(len(files)), told.append)
    assert sum(summary.done for summary in told) == len(files)
    assert sum(summary.n_rejected for summary in told) == len(killers)
    parts = [read_part(path, SPACE.dim) for path in (Path(work.store.uri) / work.draft.prefix).glob("part-*")]
    assert sorted(row for part in parts for row in part.rows.tolist()) == list(range(len(files)))
    rejects = {
        int(row): reject
        for part in parts
        for row, reject in zip(part.rows, part.rejects, strict=True)
        if reject is not None
    }
    assert rejects.keys() == killers
    assert {(reject.reason, reject.attempt) for reject in rejects.values()} == {(Reason.WORKER_CRASH, 2)}

"""What an embedding worker commits, without Ray."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch.descriptors.color_histogram import SPACE
from revsearch.embeddings import Vectors
from revsearch.rejects import Reason
from revsearch.stages import embedder as module
from revsearch.stages.embed_work import EmbedWork
from revsearch.stages.embedder import EmbedRows, PartMaker, Summary
from revsearch.storage.vectors import PartRows, read_part

N = 8


@pytest.fixture
def files(make_picture: Callable[..., bytes]) -> dict[str, bytes]:
    return {f"{n}.png": make_picture(n) for n in range(N)}


@pytest.fixture
def work(
    tmp_path: Path, files: dict[str, bytes], write_files: Callable[..., Path], by_hand: Any, make_work: Any
) -> EmbedWork:
    made: EmbedWork = make_work(by_hand.manifest(list(files), root=write_files(tmp_path / "in", files)))
    return made


def parts_of(work: EmbedWork, dim: int = SPACE.dim) -> list[PartRows]:
    folder = Path(work.store.uri) / work.draft.prefix
    return sorted((read_part(path, dim) for path in folder.glob("part-*")), key=lambda part: int(part.rows[0]))


class Given:
    """An encoder that gives the vectors it was made with, batch by batch."""

    halvings = 2

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self.left = list(vectors)
        self.batches: list[int] = []

    def __call__(self, pixels: NDArray[np.uint8]) -> Vectors:
        self.batches.append(len(pixels))
        return np.array([self.left.pop(0) for _ in pixels], np.float32)


def test_a_unit_becomes_one_part(
    work: EmbedWork, files: dict[str, bytes], naive_vectors: Callable[..., NDArray[np.float32]]
) -> None:
    summary = EmbedRows(work)(np.arange(N))
    (part,) = parts_of(work)
    assert (part.rows.tolist(), part.ids.tolist()) == (list(range(N)), list(files))
    assert np.array_equal(part.vectors, naive_vectors(list(files.values())))
    assert (summary.done, summary.n_rejected, summary.halvings) == (N, 0, 0)
    assert summary.n_bytes == sum(map(len, files.values()))
    opened, done = summary.spans
    assert (set(opened.seconds), set(done.seconds)) == ({"open"}, {"fetch", "decode", "embed", "write"})
    assert opened.ended <= done.began
    for span in summary.spans:
        assert sum(span.seconds.values()) <= span.ended - span.began


def test_the_same_rows_give_the_same_part_again(work: EmbedWork) -> None:
    EmbedRows(work)(np.arange(N))
    EmbedRows(work)(np.arange(N))
    assert len(parts_of(work)) == 1


def test_parts_are_closed_in_time(work: EmbedWork, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(0, 1000, 15))  # seconds; a batch of 3 rows takes 15
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(ticks)))
    summary = EmbedRows(work)(np.arange(N))
    assert [part.rows.tolist() for part in parts_of(work)] == [[0, 1, 2, 3, 4, 5], [6, 7]]
    assert summary.done == N


def embed_given(work: EmbedWork, vectors: NDArray[np.float32]) -> tuple[Given, Summary]:
    encoder, rows = Given(vectors), EmbedRows(work)
    rows.part_maker.__dict__["encoder"] = encoder  # in the place of the one opened when first asked for
    return encoder, rows(np.arange(N))


def test_vectors_that_cannot_be_compared_are_rejected(work: EmbedWork) -> None:
    vectors = np.ones((N, SPACE.dim), np.float32)
    vectors[1, 0], vectors[3, 5], vectors[4] = np.nan, np.inf, 0
    encoder, summary = embed_given(work, vectors)
    (part,) = parts_of(work)
    found = {row: reject.reason for row, reject in enumerate(part.rejects) if reject is not None}
    assert found == {1: Reason.NOT_FINITE, 3: Reason.NOT_FINITE, 4: Reason.ZERO_NORM}
    assert np.isfinite(part.vectors).all()
    assert (summary.n_rejected, summary.halvings, encoder.batches) == (3, 2, [3, 3, 2])


def test_vectors_that_float16_cannot_hold_are_rejected(work: EmbedWork) -> None:
    vectors = np.ones((N, SPACE.dim), np.float32)
    vectors[2], vectors[5] = 1e6, 1e-9
    embed_given(replace(work, store_dtype="float16"), vectors)
    (part,) = parts_of(work)
    found = {row: reject.reason for row, reject in enumerate(part.rejects) if reject is not None}
    assert found == {2: Reason.NOT_FINITE, 5: Reason.ZERO_NORM}


def test_rejected_pictures_are_not_shown_to_the_encoder(work: EmbedWork) -> None:
    root = Path(work.reader.roots[""].uri)
    for name in ("0.png", "1.png", "2.png"):  # a whole batch
        (root / name).unlink()
    encoder, summary = embed_given(work, np.ones((N, SPACE.dim), np.float32))
    assert (encoder.batches, summary.n_rejected) == ([3, 2], 3)


def test_the_encoder_is_opened_once(work: EmbedWork, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[dict[str, Any]] = []

    def open_encoder(space: Any, store: Any, **options: Any) -> Given:
        opened.append(options)
        return Given(np.ones((N, SPACE.dim), np.float32))

    monkeypatch.setattr(module, "open_encoder", open_encoder)
    maker = PartMaker(work)
    assert maker.encoder is maker.encoder
    assert opened == [{"precision": "fp32", "device": "cpu", "threads": 1}]

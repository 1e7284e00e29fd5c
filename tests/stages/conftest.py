"""A local Ray a module; pictures made on the spot; and artifacts committed by hand, where no picture is needed."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from numpy.typing import NDArray
from PIL import Image

from revsearch.descriptors.color_histogram import SPACE, ColorHistogram
from revsearch.fingerprint import sha256_hex
from revsearch.imaging.decode import decode
from revsearch.manifest import Manifest
from revsearch.rejects import Reason, Reject
from revsearch.space import EmbeddingSpace
from revsearch.specs import EmbedSpec, ImageLimits, IndexSpec, ManifestSpec, RankSpec, Resources
from revsearch.stages import build_index, cluster, rank
from revsearch.stages.embed_work import EmbedWork
from revsearch.stages.gallery import Tuned
from revsearch.stages.recording import Recording
from revsearch.stages.row_reader import RowReader
from revsearch.storage.artifact import Artifact, Draft
from revsearch.storage.card import Counts
from revsearch.storage.local import LocalStore
from revsearch.storage.manifests import StoredManifest, encode_manifest, note_roots
from revsearch.storage.reject_table import encode_rejects
from revsearch.storage.vectors import PartRows, StoredEmbeddings, encode_part

Strings = Sequence[str | None]


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """A local Ray of 2 CPUs, connected as jobs connect; one a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setattr(ray, "init", partial(ray.init, num_cpus=2, num_gpus=0))
        cluster.connect(Resources())
    yield
    ray.shutdown()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty store."""
    return LocalStore(tmp_path / "store")


@pytest.fixture(scope="module")
def module_path(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder for what the tests of a module share."""
    return tmp_path_factory.mktemp(request.module.__name__.rpartition(".")[2])


def picture(seed: int, size: tuple[int, int] = (40, 32), kind: str = "PNG") -> bytes:
    """A picture of a few coloured blocks; other seeds give other colours."""
    blocks = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    data = BytesIO()
    Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).save(data, kind)
    return data.getvalue()


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., bytes]:
    return picture


@pytest.fixture(scope="session")
def write_files() -> Callable[[Path, Mapping[str, bytes]], Path]:
    """Write `{path below the folder: bytes}` and return the folder."""

    def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder

    return write_files


@pytest.fixture(scope="session")
def naive_vectors() -> Callable[[Sequence[bytes]], NDArray[np.float32]]:
    """Embed pictures one by one by the colour histogram, without any stage."""
    encoder = ColorHistogram()

    def naive_vectors(pictures: Sequence[bytes]) -> NDArray[np.float32]:
        pixels = [decode(data, SPACE.preprocess, ImageLimits()).pixels for data in pictures]
        return np.concatenate([encoder(each[None]) for each in pixels])

    return naive_vectors


@pytest.fixture(scope="session")
def read_vectors(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, NDArray[np.float32]]]:
    """Return the vector of each embedded id."""

    def read_vectors(store: LocalStore, artifact: Artifact) -> dict[str, NDArray[np.float32]]:
        stored = StoredEmbeddings(store, artifact)
        found = stored.read(stored.rows(), tmp_path_factory.mktemp("read") / "vectors")
        return {id: np.array(vector) for id, vector in zip(found.ids, found.vectors, strict=True)}

    return read_vectors


def space(dim: int, encoder: str = "by-hand") -> EmbeddingSpace:
    """A space of `dim` dimensions that no encoder has."""
    return EmbeddingSpace(encoder, "revision-1", SPACE.preprocess, "native", dim)


@pytest.fixture(scope="session")
def make_space() -> Callable[..., EmbeddingSpace]:
    return space


class ByHand:
    """Commits manifests, and embeddings, indexes and rankings of chosen vectors: no Ray, no pictures."""

    def __init__(self, store: LocalStore) -> None:
        self.store = store

    def manifest(
        self,
        ids: Sequence[str],
        *,
        contents: Sequence[object] | None = None,
        roles: Strings | str = "gallery",
        labels: Strings | None = None,
        groups: Strings | None = None,
        root: Path | None = None,
        block_rows: int = 5,
    ) -> Artifact:
        """Commit rows whose bytes are equal where `contents` are; unless `root` holds files of those ids."""
        n = len(ids)
        hashes = [_digest(root / id if root else each) for id, each in zip(ids, contents or ids, strict=True)]
        whole = Manifest(
            ids=_column(ids),
            locations=_column([None] * n),
            contents=np.array([np.frombuffer(each, np.uint8) for each in hashes]).reshape(n, 32),
            sizes=np.ones(n, np.int64),
            roles=_column([roles] * n if isinstance(roles, str) else roles),
            labels=_column(labels or [None] * n),
            groups=_column(groups or [None] * n),
        )
        draft = Draft(self.store, "manifest", sha256_hex(b"".join(whole.row_bytes()))[:12], vars(ManifestSpec(())), {})
        blocks = [whole.take(slice(start, start + block_rows)) for start in range(0, n, block_rows)]
        parts = [draft.put("rows", ".parquet", encode_manifest(block)) for block in blocks]
        facts = {
            "blocks": [part.name for part in parts],
            "block_rows": [len(block) for block in blocks],
            "roles": {role: int(np.sum(whole.roles == role)) for role in set(whole.roles)},
            "n_bytes": n,
            "n_labelled": sum(label is not None for label in whole.labels),
            "n_grouped": sum(group is not None for group in whole.groups),
            "n_twins": n - len(set(hashes)),
        }
        rejects = draft.put("rejects", ".parquet", encode_rejects([]))
        note_roots(self.store, draft.id, {"": str(root or "/nowhere")})
        return draft.commit(Counts(n, n), [*parts, rejects], facts=facts)

    def embeddings(
        self,
        manifest: Artifact,
        vectors: NDArray[np.float32],
        *,
        encoder: str = "by-hand",
        encoder_space: EmbeddingSpace | None = None,
        part_rows: int = 4,
    ) -> Artifact:
        """Commit vectors `[n, dim]` of a manifest's rows; rows that are not finite are rejected."""
        own = encoder_space or space(vectors.shape[1], encoder)
        spec = vars(EmbedSpec(str(manifest), encoder=own.encoder))
        id = sha256_hex(f"{manifest} {own.fingerprint}".encode() + vectors.tobytes())[:12]
        draft = Draft(self.store, "embeddings", id, spec, {"manifest": str(manifest)})
        rows, rejects = np.arange(len(vectors)), [_reject(vector, row) for row, vector in enumerate(vectors)]
        ids, contents = _ids_and_contents(self.store, manifest)
        rejects = [reject and Reject(ids[row], *reject) for row, reject in enumerate(rejects)]
        parts = []
        for start in range(0, len(rows), part_rows):
            mine = slice(start, start + part_rows)
            clean = np.nan_to_num(vectors[mine].astype(np.float32), posinf=0, neginf=0)
            part = PartRows(rows[mine], ids[mine], contents[mine], clean, rejects[mine], [""] * len(rows[mine]))
            parts.append(draft.put("part", ".parquet", encode_part(part, "float32")))
        lost = [reject for reject in rejects if reject is not None]
        facts: dict[str, Any] = {"encoder": own.encoder, "space": own.to_dict(), "space_fingerprint": own.fingerprint}
        facts |= {"precision": "fp32", "store_dtype": "float32", "allow_truncated": False}
        counts = Counts(len(rows), len(rows) - len(lost), {"not_finite": len(lost)} if lost else {})
        return draft.commit(counts, [*parts, draft.put("rejects", ".parquet", encode_rejects(lost))], facts=facts)

    def encoder(
        self,
        manifest: Artifact,
        *roles: str,
        weights: bytes = b"weights",
        start: Artifact | None = None,
        commit: bool = True,
    ) -> EmbeddingSpace:
        """Commit an encoder that says it was trained on rows of those roles, and return its space."""
        inputs = {"manifest": str(manifest)} | ({"encoder": str(start)} if start else {})
        id = sha256_hex(weights + str(inputs).encode())[:12]
        draft = Draft(self.store, "encoder", id, {}, inputs)
        part = draft.put("weights", ".safetensors", weights)
        if commit:
            facts = {"training_manifest": str(manifest), "roles": list(roles)}
            draft.commit(Counts(0, 0), [part], facts=facts)
        return replace(space(2), weights=f"sha256:{part.sha256}")

    def index(self, *embeddings: Artifact, **options: Any) -> Artifact:
        """Build an index in this process, as its worker would."""
        draft = build_index._draft(IndexSpec(tuple(map(str, embeddings)), **options), self.store)
        with tempfile.TemporaryDirectory() as folder:
            return build_index._Build(draft, 1, Path(folder), Recording("build-index")).run()

    def rankings(self, index: Artifact, queries: Artifact, **options: Any) -> Artifact:
        """Rank exactly in this process, as one actor would."""
        job = rank._Job.of(RankSpec(str(index), (str(queries),), **options), self.store, Resources())
        rank._Ranker(job._work()).rank(job.rows, [])
        job.tuned = Tuned([], 1.0, 0)
        return job.finish(job.draft.found_parts("part"))


@pytest.fixture
def by_hand(store: LocalStore) -> ByHand:
    return ByHand(store)


@pytest.fixture(scope="session")
def by_hand_in() -> Callable[[LocalStore], Any]:
    """The same for a store that a module shares."""
    return ByHand


def _digest(content: object) -> bytes:
    data = content.read_bytes() if isinstance(content, Path) else str(content).encode()
    return hashlib.sha256(data).digest()


def _column(values: Strings) -> NDArray[np.object_]:
    column = np.empty(len(values), object)
    column[:] = list(values)
    return column


def _reject(vector: NDArray[np.float32], row: int) -> tuple[str, str, Reason, str] | None:
    return None if np.isfinite(vector).all() else (f"/nowhere/{row}", "embed", Reason.NOT_FINITE, "made so")


def _ids_and_contents(store: LocalStore, manifest: Artifact) -> tuple[NDArray[np.object_], NDArray[np.uint8]]:
    stored = StoredManifest(store, manifest)
    return stored.strings("id"), stored.contents()


@pytest.fixture
def make_work(store: LocalStore) -> Callable[..., EmbedWork]:
    """What a worker of the colour histogram is told, without a job around it."""

    def make_work(manifest: Artifact, **changed: Any) -> EmbedWork:
        work = EmbedWork(
            store=store,
            draft=Draft(store, "embeddings", "0123456789ab", {}, {}),
            manifest=str(manifest),
            reader=RowReader.of(StoredManifest(store, manifest)),
            space=SPACE,
            precision="fp32",
            store_dtype="float32",
            allow_truncated=False,
            batch_size=3,
            device="cpu",
            threads=1,
            image_timeout_s=60.0,
        )
        return replace(work, **changed)

    return make_work

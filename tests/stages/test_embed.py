"""Manifest to embeddings on one local Ray: account, vectors, twins, taking over, resuming, retrying."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch.descriptors.color_histogram import SPACE
from revsearch.errors import CorruptArtifact, IncompleteEmbeddings, InvalidSpec, MissingArtifact
from revsearch.fingerprint import sha256_hex
from revsearch.imaging.decode import decode
from revsearch.space import EmbeddingSpace
from revsearch.specs import EmbedSpec, ImageLimits, ManifestSpec, Resources
from revsearch.stages import embed as stage
from revsearch.stages.embed import embed, plan_embed
from revsearch.stages.encoders import open_encoder
from revsearch.stages.manifest import make_manifest
from revsearch.stages.recording import timeline_of
from revsearch.storage.artifact import Artifact, verify
from revsearch.storage.catalog import list_artifacts
from revsearch.storage.local import LocalStore
from revsearch.storage.manifests import StoredManifest, note_roots
from revsearch.storage.reject_table import read_rejects
from revsearch.storage.vectors import PartRows, encode_part, read_part, read_part_rows

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

Vectors = dict[str, NDArray[np.float32]]
HERE = Resources()
SAME = 1e-5


@dataclass
class Spied:
    """The rows that workers were given to embed, call by call."""

    calls: list[list[int]] = field(default_factory=list)

    @property
    def rows(self) -> list[int]:
        return sorted(row for call in self.calls for row in call)


@pytest.fixture
def spied() -> Iterator[Spied]:
    with pytest.MonkeyPatch.context() as patch:
        yield spy(patch)


def spy(patch: pytest.MonkeyPatch) -> Spied:
    seen, run_units = Spied(), stage.run_units

    def counting(work: Any, pool: Any, units: list[NDArray[np.int64]]) -> Any:
        seen.calls.append([int(row) for unit in units for row in unit])
        return run_units(work, pool, units)

    patch.setattr(stage, "run_units", counting)
    return seen


def spec(manifest: Artifact, **options: Any) -> EmbedSpec:
    return EmbedSpec(str(manifest), encoder="color-histogram", **options)


def ids_of(store: LocalStore, manifest: Artifact) -> list[str]:
    ids: list[str] = StoredManifest(store, manifest).strings("id").tolist()
    return ids


def reasons(store: LocalStore, artifact: Artifact) -> dict[str, str]:
    return {reject.id: str(reject.reason) for reject in read_rejects(store, artifact)}


@dataclass(frozen=True)
class Chain:
    """What the module's one full run made."""

    folder: Path
    files: dict[str, bytes]
    store: LocalStore
    manifest: Artifact
    artifact: Artifact
    spied: Spied

    @property
    def ids(self) -> list[str]:
        return ids_of(self.store, self.manifest)


@pytest.fixture(scope="module")
def chain(
    local_ray: None, module_path: Path, make_picture: Callable[..., bytes], write_files: Callable[..., Path]
) -> Chain:
    """A folder is collected; then one file of twins changes, another and a lone one go; then it is embedded."""
    files = {f"ok/{n:02}.png": make_picture(n) for n in range(44)}
    files |= {f"ok/{n:02}-copy.png": files[f"ok/{n:02}.png"] for n in range(3)}
    cut = make_picture(50, (200, 200), "JPEG")
    files |= dict.fromkeys(("bad/cut.jpg", "bad/cut-copy.jpg"), cut[: len(cut) // 2])
    files |= dict.fromkeys(("changed/a.png", "changed/b.png"), make_picture(51))
    files |= dict.fromkeys(("gone/a.png", "gone/b.png"), make_picture(52))
    files |= {"gone/lone.png": make_picture(53)}
    folder, store = write_files(module_path / "in", files), LocalStore(module_path / "store")
    manifest = make_manifest(ManifestSpec((str(folder),)), store, HERE)
    (folder / "changed/a.png").write_bytes(make_picture(99))
    (folder / "gone/a.png").unlink()
    (folder / "gone/lone.png").unlink()
    with pytest.MonkeyPatch.context() as patch:
        seen = spy(patch)
        artifact = embed(spec(manifest), store, HERE)
    return Chain(folder, files, store, manifest, artifact, seen)


class TestOneRun:
    def test_every_row_is_embedded_or_rejected_once(self, chain: Chain, read_vectors: Callable[..., Vectors]) -> None:
        good, bad = set(read_vectors(chain.store, chain.artifact)), set(reasons(chain.store, chain.artifact))
        assert good | bad == set(chain.files)
        assert not good & bad
        counts = chain.artifact.card.counts
        assert (counts.n_in, counts.n_ok, counts.n_rejected) == (len(chain.files), len(good), len(bad))

    def test_rejects_say_why_and_how_often_it_was_tried(self, chain: Chain) -> None:
        rejects = {reject.id: reject for reject in read_rejects(chain.store, chain.artifact)}
        assert {id: (str(reject.reason), reject.attempt) for id, reject in rejects.items()} == {
            "bad/cut.jpg": ("truncated", 1),
            "bad/cut-copy.jpg": ("truncated", 1),
            "changed/a.png": ("checksum_mismatch", 1),
            "gone/a.png": ("missing", 2),
            "gone/lone.png": ("missing", 2),
        }
        assert {id: reject.uri for id, reject in rejects.items()} == {id: str(chain.folder / id) for id in rejects}
        assert [reject.id for reject in rejects.values()] == sorted(rejects)  # manifest order
        assert rejects["gone/a.png"].reason.transient
        assert chain.artifact.card.counts.rejected == {"missing": 2, "truncated": 2, "checksum_mismatch": 1}

    def test_a_twin_of_a_rejected_row_is_embedded_by_itself(
        self, chain: Chain, read_vectors: Callable[..., Vectors]
    ) -> None:
        assert {"changed/b.png", "gone/b.png"} <= set(read_vectors(chain.store, chain.artifact))

    def test_vectors_are_those_of_a_plain_loop(
        self, chain: Chain, read_vectors: Callable[..., Vectors], naive_vectors: Callable[..., NDArray[np.float32]]
    ) -> None:
        found = read_vectors(chain.store, chain.artifact)
        expected = naive_vectors([chain.files[id] for id in found])
        assert np.abs(np.array(list(found.values())) - expected).max() < SAME

    def test_twins_are_embedded_once(self, chain: Chain, read_vectors: Callable[..., Vectors]) -> None:
        ids = np.array(chain.ids)
        first, second = ([ids[row] for row in call] for call in chain.spied.calls)
        assert len({chain.files[id] for id in first}) == len(first) == len(set(chain.files.values()))
        assert sorted(second) == ["bad/cut.jpg", "changed/b.png", "gone/b.png"]
        found = read_vectors(chain.store, chain.artifact)
        for n in range(3):
            assert np.array_equal(found[f"ok/{n:02}.png"], found[f"ok/{n:02}-copy.png"])

    def test_the_card_says_what_the_vectors_are(self, chain: Chain) -> None:
        card = chain.artifact.card
        assert card.facts["space"] == SPACE.to_dict() | {"preprocess": card.facts["space"]["preprocess"]}
        assert card.facts["space_fingerprint"] == SPACE.fingerprint
        assert (card.facts["precision"], card.facts["store_dtype"]) == ("fp32", "float32")
        assert {"fetch", "decode", "open", "embed", "write", "take_over"} <= set(card.seconds)

    def test_its_timeline_adds_up_to_its_seconds(self, chain: Chain) -> None:
        timeline = timeline_of(chain.artifact)
        assert timeline is not None
        assert timeline.seconds() == pytest.approx(chain.artifact.card.seconds, abs=0.05)
        busy = sum(timeline.seconds().values())
        assert busy + timeline.waited.sum() >= timeline.wall_s - 0.05
        assert timeline.workers.max() <= 2 + 0.05

    def test_it_verifies(self, chain: Chain) -> None:
        verify(chain.store, chain.artifact)

    def test_asked_again_it_is_found_without_ray(self, chain: Chain, no_ray: None) -> None:
        assert embed(spec(chain.manifest), chain.store, HERE).card == chain.artifact.card

    def test_the_encoder_may_be_named_by_what_was_embedded_with_it(self, chain: Chain, no_ray: None) -> None:
        asked = EmbedSpec(str(chain.manifest), encoder=str(chain.artifact))
        assert embed(asked, chain.store, HERE).id == chain.artifact.id

    def test_a_plan_writes_nothing(self, chain: Chain, no_ray: None) -> None:
        before = [info.key for info in chain.store.list("")]
        plan = plan_embed(spec(chain.manifest, store_dtype="float16"), chain.store, HERE)
        assert (plan.rows, plan.parts) == (len(chain.files), 1)
        assert plan.bytes == sum(map(len, chain.files.values()))
        assert [info.key for info in chain.store.list("")] == before


def test_decoders_of_their_own_give_the_same(
    chain: Chain, store: LocalStore, read_vectors: Callable[..., Vectors]
) -> None:
    """The topology of GPU jobs, on CPUs; the folder is as it was for the first run."""
    for name in (str(chain.manifest), "refs"):
        shutil.copytree(chain.store.root / name, store.root / name)
    split = embed(spec(chain.manifest), store, Resources(workers=1, decode_workers=1, gpus_per_worker=0, batch_size=8))
    assert split.id == chain.artifact.id
    assert split.card.counts == chain.artifact.card.counts
    assert reasons(store, split) == reasons(chain.store, chain.artifact)
    found, before = read_vectors(store, split), read_vectors(chain.store, chain.artifact)
    assert list(found) == list(before)
    assert np.abs(np.array(list(found.values())) - np.array(list(before.values()))).max() < SAME
    # Batches go across units here: it was another topology, and not the same one twice.
    rows = [len(read_part_rows(store.root / str(split) / part.name)) for part in split.parts("part")]
    assert max(rows) == len(chain.spied.calls[0]) > 32
    timeline = timeline_of(split)
    assert timeline is not None
    assert {"fetch", "decode", "embed"} <= set(timeline.steps), "decoders and encoders tell of their work"
    assert timeline.seconds() == pytest.approx(split.card.seconds, abs=0.05)


class TestTakingOver:
    def test_vectors_of_other_make_are_embedded_anew(
        self, chain: Chain, read_vectors: Callable[..., Vectors], spied: Spied
    ) -> None:
        half = embed(spec(chain.manifest, store_dtype="float16", allow_truncated=True), chain.store, HERE)
        assert half.id != chain.artifact.id
        assert spied.calls[0] == chain.spied.calls[0]
        found, full = read_vectors(chain.store, half), read_vectors(chain.store, chain.artifact)
        assert found.keys() == full.keys() | {"bad/cut.jpg", "bad/cut-copy.jpg"}
        assert half.card.facts["flags"] == {"truncated": 2}
        for id, vector in full.items():
            assert np.array_equal(found[id], vector.astype(np.float16).astype(np.float32))

    def test_added_images_cost_what_was_added(
        self,
        chain: Chain,
        tmp_path: Path,
        make_picture: Callable[..., bytes],
        write_files: Callable[..., Path],
        by_hand_in: Callable[..., Any],
        read_vectors: Callable[..., Vectors],
        spied: Spied,
    ) -> None:
        old = {f"renamed/{id}": data for id, data in chain.files.items() if id.startswith("ok/")}
        new = {f"new/{n}.png": make_picture(300 + n) for n in range(3)}
        folder = write_files(tmp_path / "more", old | new)
        manifest = by_hand_in(chain.store).manifest(sorted(old | new), root=folder)
        more = embed(spec(manifest), chain.store, HERE)
        ids = ids_of(chain.store, manifest)
        assert [ids[row] for row in spied.rows] == sorted(new)
        found, before = read_vectors(chain.store, more), read_vectors(chain.store, chain.artifact)
        assert set(found) == old.keys() | new.keys()
        assert all(np.array_equal(found[id], before[id.removeprefix("renamed/")]) for id in old)

    @pytest.mark.parametrize("damaged", ["parts", "card"])
    def test_nothing_is_taken_from_what_is_damaged(
        self, chain: Chain, tmp_path: Path, by_hand_in: Callable[..., Any], caplog: Any, damaged: str
    ) -> None:
        store = LocalStore(tmp_path / "store")
        shutil.copytree(chain.store.root / "manifest", store.root / "manifest")
        shutil.copytree(chain.store.root / str(chain.artifact), store.root / str(chain.artifact))
        shutil.copytree(chain.store.root / "refs", store.root / "refs")
        names = ["card.json"] if damaged == "card" else [part.name for part in chain.artifact.parts("part")]
        for name in names:
            flip(store.root / str(chain.artifact) / name)
        manifest = by_hand_in(store).manifest(["ok/00.png"], root=chain.folder)
        made = embed(spec(manifest), store, HERE)
        assert (made.card.counts.n_ok, made.card.counts.n_rejected) == (1, 0)
        assert f"{chain.artifact}" in caplog.text


class TestRetry:
    def test_what_came_back_is_embedded_and_nothing_else_is(
        self, chain: Chain, read_vectors: Callable[..., Vectors], spied: Spied
    ) -> None:
        """Runs on the module's store: the files of the folder are put back for as long as it takes."""
        lone = chain.folder / "gone/lone.png"
        lone.write_bytes(chain.files["gone/lone.png"])
        try:
            again = embed(spec(chain.manifest, retry=str(chain.artifact)), chain.store, HERE)
        finally:
            lone.unlink()
        assert again.id != chain.artifact.id
        assert again.card.inputs == {"manifest": str(chain.manifest), "retry": str(chain.artifact)}
        ids = chain.ids
        assert {ids[row] for row in spied.rows} == {"gone/lone.png", "bad/cut.jpg", "bad/cut-copy.jpg"}
        before, after = read_vectors(chain.store, chain.artifact), read_vectors(chain.store, again)
        # Content decides: what a twin's file gave is the vector of the row whose own file is gone or changed.
        assert set(after) == before.keys() | {"gone/lone.png", "gone/a.png", "changed/a.png"}
        assert all(np.array_equal(after[id], vector) for id, vector in before.items())
        assert reasons(chain.store, again) == {"bad/cut.jpg": "truncated", "bad/cut-copy.jpg": "truncated"}

    def test_of_another_manifest_it_is_refused(self, chain: Chain, by_hand_in: Callable[..., Any]) -> None:
        other = by_hand_in(chain.store).manifest(["ok/00.png"], root=chain.folder)
        with pytest.raises(InvalidSpec, match=f"--retry {chain.artifact}: expected embeddings of {other}"):
            embed(spec(other, retry=str(chain.artifact)), chain.store, HERE)


class TestResuming:
    @pytest.fixture
    def unfinished(self, chain: Chain, tmp_path: Path) -> LocalStore:
        """The chain's store as a driver left it that was killed before it wrote the card."""
        store = LocalStore(tmp_path / "unfinished")
        for name in ("manifest", "refs", str(chain.artifact)):
            shutil.copytree(chain.store.root / name, store.root / name)
        (store.root / str(chain.artifact) / "card.json").unlink()
        return store

    def test_where_all_parts_are_there_only_the_card_is_written(
        self, chain: Chain, unfinished: LocalStore, spied: Spied
    ) -> None:
        again = embed(spec(chain.manifest), unfinished, HERE)
        assert spied.calls == []
        assert (again.id, again.card.counts, again.card.parts) == (
            chain.artifact.id,
            chain.artifact.card.counts,
            chain.artifact.card.parts,
        )

    def test_what_is_damaged_is_done_again_and_nothing_else_is(
        self, chain: Chain, unfinished: LocalStore, spied: Spied, read_vectors: Callable[..., Vectors]
    ) -> None:
        parts = list((unfinished.root / str(chain.artifact)).glob("part-*"))
        lost = max(parts, key=lambda path: len(read_part_rows(path)))
        rows = set(read_part_rows(lost).tolist())
        kept = {path.name for path in parts if path != lost}
        flip(lost)
        again = embed(spec(chain.manifest), unfinished, HERE)
        assert set(spied.rows) <= rows
        assert kept < {part.name for part in again.parts("part")}
        found, before = read_vectors(unfinished, again), read_vectors(chain.store, chain.artifact)
        # Rows whose own file is gone or changed may now have the vector that their twin's part holds.
        assert before.keys() <= found.keys() <= before.keys() | {"gone/a.png", "changed/a.png"}
        assert all(np.abs(found[id] - before[id]).max() < SAME for id in before)
        assert reasons(unfinished, again).items() <= reasons(chain.store, chain.artifact).items()

    def test_parts_that_overlap_do_no_harm(
        self, chain: Chain, unfinished: LocalStore, spied: Spied, read_vectors: Callable[..., Vectors]
    ) -> None:
        folder = unfinished.root / str(chain.artifact)
        largest = max(folder.glob("part-*"), key=lambda path: len(read_part_rows(path)))
        part = read_part(largest, SPACE.dim)
        for start, stop in ((0, 5), (2, 9)):  # as a driver leaves them that was killed twice
            data = encode_part(piece(part, slice(start, stop)), "float32")
            unfinished.write(f"{chain.artifact}/{part_name(data)}", data)
        again = embed(spec(chain.manifest), unfinished, HERE)
        assert spied.calls == []
        assert again.card.counts == chain.artifact.card.counts
        found, before = read_vectors(unfinished, again), read_vectors(chain.store, chain.artifact)
        assert found.keys() == before.keys()
        assert all(np.array_equal(found[id], before[id]) for id in found)


class TestRefusing:
    @pytest.mark.parametrize(
        ("name", "error"), [("manifest/0123456789ab", MissingArtifact), ("nothing", MissingArtifact)]
    )
    def test_no_such_manifest(self, store: LocalStore, no_ray: None, name: str, error: type[Exception]) -> None:
        for run in (embed, plan_embed):
            with pytest.raises(error):
                run(EmbedSpec(name, encoder="color-histogram"), store, HERE)

    def test_an_unfinished_manifest(self, store: LocalStore, no_ray: None) -> None:
        store.write("manifest/0123456789ab/rows-x.parquet", b"")
        with pytest.raises(IncompleteEmbeddings, match="unfinished"):
            embed(EmbedSpec("manifest/0123456789ab", encoder="color-histogram"), store, HERE)

    def test_a_damaged_manifest(self, chain: Chain, store: LocalStore) -> None:
        shutil.copytree(chain.store.root / str(chain.manifest), store.root / str(chain.manifest))
        note_roots(store, chain.manifest.id, {"": str(chain.folder)})
        flip(store.root / str(chain.manifest) / chain.manifest.parts("rows")[0].name)
        with pytest.raises(CorruptArtifact, match="checksum"):
            embed(spec(chain.manifest), store, HERE)

    def test_gpus_where_there_are_none(self, chain: Chain) -> None:
        with pytest.raises(InvalidSpec, match="--gpus-per-worker"):
            embed(spec(chain.manifest, allow_truncated=True), chain.store, replace(HERE, gpus_per_worker=1.0))


@pytest.mark.slow
def test_a_network_and_its_weights(
    chain: Chain,
    store: LocalStore,
    tmp_path: Path,
    by_hand: Any,
    read_vectors: Callable[..., Vectors],
) -> None:
    """Vectors are those of a plain loop; damaged weights in the store end a job."""
    import torch
    from torchvision import models

    torch.manual_seed(0)
    weights, ids = tmp_path / "mine.pth", [f"ok/{n:02}.png" for n in range(9)]
    torch.save(models.squeezenet1_1(weights=None).state_dict(), weights)
    named = {"encoder": f"squeezenet1_1:IMAGENET1K_V1@{weights}", "image_size": 64}
    artifact = embed(EmbedSpec(str(by_hand.manifest(ids, root=chain.folder)), **named), store, HERE)
    space = EmbeddingSpace.from_dict(artifact.card.facts["space"])
    encoder, found = open_encoder(space, store, threads=1), read_vectors(store, artifact)
    assert list(found) == ids
    for id, vector in found.items():
        pixels = decode(chain.files[id], space.preprocess, ImageLimits()).pixels
        assert np.abs(vector - encoder(pixels[None])[0]).max() < SAME * np.abs(vector).max()

    (kept,) = store.list("weights/")
    flip(store.root / kept.key)
    other = by_hand.manifest(["ok/20.png"], root=chain.folder)
    with pytest.raises(CorruptArtifact, match="checksum of the weights of squeezenet1_1") as caught:
        embed(EmbedSpec(str(other), **named), store, HERE)
    assert (type(caught.value), caught.value.reason) == (CorruptArtifact, "checksum")
    assert list(list_artifacts(store, "embeddings")) == [str(artifact)]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def piece(part: PartRows, rows: slice) -> PartRows:
    return PartRows(
        part.rows[rows], part.ids[rows], part.contents[rows], part.vectors[rows], part.rejects[rows], part.flags[rows]
    )


def part_name(data: bytes) -> str:
    return f"part-{sha256_hex(data)}.parquet"


def test_the_driver_fetches_each_part_once(
    tmp_path: Path,
    make_picture: Callable[..., bytes],
    write_files: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = write_files(tmp_path / "in", {f"{n:02}.png": make_picture(n) for n in range(40)})
    store, download, fetched = LocalStore(tmp_path / "store"), LocalStore.download, list[str]()
    manifest = make_manifest(ManifestSpec((str(folder),)), store, HERE)

    def counting(store: LocalStore, key: str, into: Path) -> Path:
        fetched.append(key)
        return download(store, key, into)

    monkeypatch.setattr(LocalStore, "download", counting)
    artifact = embed(spec(manifest), store, HERE)
    parts = [key for key in fetched if "/part-" in key]
    assert sorted(parts) == sorted(f"{artifact}/{part.name}" for part in artifact.parts("part"))

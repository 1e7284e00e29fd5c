import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revsearch.errors import InvalidSpec
from revsearch.manifest import Manifest
from revsearch.specs import ManifestSpec, Resources
from revsearch.stages.manifest import make_manifest, plan_manifest
from revsearch.storage.artifact import Artifact
from revsearch.storage.local import LocalStore
from revsearch.storage.manifests import StoredManifest, concatenate
from revsearch.storage.reject_table import read_rejects

pytestmark = pytest.mark.ray

HERE = Resources()


@pytest.fixture(scope="module")
def folder(module_path: Path, make_picture: Callable[..., bytes], write_files: Callable[..., Path]) -> Path:
    """Roles, classes, twins, a distractor that is a gallery picture, and files that are no pictures."""
    files = {
        f"gallery/{label}/{n}.png": make_picture(10 * n + len(label)) for label in ("ape", "bird") for n in range(8)
    }
    files |= {f"query/ape/{n}.jpg": make_picture(100 + n, kind="JPEG") for n in range(3)}
    files |= {f"distractor/{n}.png": make_picture(200 + n) for n in range(4)}
    files |= {"gallery/ape/twin.png": files["gallery/ape/0.png"], "gallery/bird/twin.png": files["gallery/ape/0.png"]}
    files |= {"query/ape/twin.png": files["gallery/ape/1.png"], "distractor/same.png": files["gallery/bird/2.png"]}
    files |= {"gallery/stray.jpg": b"<html>not found</html>", "gallery/ape/empty.jpg": b"", "gallery/notes.txt": b"x"}
    return write_files(module_path / "in", files)


@pytest.fixture(scope="module")
def shared(module_path: Path) -> LocalStore:
    return LocalStore(module_path / "store")


@pytest.fixture(scope="module")
def made(local_ray: None, folder: Path, shared: LocalStore) -> Artifact:
    return make_manifest(ManifestSpec((str(folder),)), shared, HERE)


@pytest.fixture(scope="module")
def rows(made: Artifact, shared: LocalStore) -> Manifest:
    return concatenate(list(StoredManifest(shared, made).blocks()))


def whole(store: LocalStore, artifact: Artifact) -> Manifest:
    return concatenate(list(StoredManifest(store, artifact).blocks()))


def keys(store: LocalStore) -> list[str]:
    return [info.key for info in store.list("")]


class TestAFolderWithRoles:
    def test_every_file_is_accounted_for(self, made: Artifact) -> None:
        counts = made.card.counts
        assert counts.n_in == counts.n_ok + counts.n_rejected == 16 + 3 + 4 + 4 + 2
        assert counts.rejected == {"duplicate_of_gallery": 1, "empty": 1, "not_an_image": 1}
        assert counts.n_ignored == 1

    def test_rejects_say_which_and_why(self, made: Artifact, shared: LocalStore, folder: Path) -> None:
        rejects = {reject.id: reject for reject in read_rejects(shared, made)}
        assert {id: str(reject.reason) for id, reject in rejects.items()} == {
            "distractor/same.png": "duplicate_of_gallery",
            "gallery/ape/empty.jpg": "empty",
            "gallery/stray.jpg": "not_an_image",
        }
        assert rejects["gallery/stray.jpg"].uri == str(folder / "gallery/stray.jpg")
        assert {reject.stage for reject in rejects.values()} == {"manifest"}

    def test_rows_are_the_files(self, rows: Manifest, folder: Path) -> None:
        good = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.suffix in (".png", ".jpg")}
        good -= {"distractor/same.png", "gallery/ape/empty.jpg", "gallery/stray.jpg"}
        assert rows.ids.tolist() == sorted(good)
        for row in range(len(rows)):
            data = (folder / rows.ids[row]).read_bytes()
            assert rows[row].content == hashlib.sha256(data).digest()
            assert rows[row].size == len(data)

    def test_roles_and_labels(self, made: Artifact, rows: Manifest) -> None:
        for row in range(len(rows)):
            role, *between, _ = rows.ids[row].split("/")
            assert (rows[row].role, rows[row].label) == (role, between[0] if between else None)
        assert made.card.facts["roles"] == {"distractor": 4, "gallery": 18, "query": 4}
        assert made.card.facts["n_labelled"] == 22

    def test_twins_are_rows_and_counted(self, made: Artifact) -> None:
        assert made.card.facts["n_twins"] == 3

    def test_an_unchanged_source_is_neither_read_nor_needs_ray(
        self, made: Artifact, folder: Path, shared: LocalStore, no_ray: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("revsearch.stages.manifest._Scan", None)
        again = make_manifest(ManifestSpec((str(folder),)), shared, HERE)
        assert (again.id, again.card) == (made.id, made.card)

    def test_a_plan_writes_nothing(self, folder: Path, store: LocalStore, no_ray: None) -> None:
        plan = plan_manifest(ManifestSpec((str(folder),)), store, HERE)
        assert (plan.rows, plan.parts) == (29, 1)
        assert keys(store) == []


@pytest.mark.usefixtures("local_ray")
class TestIdentity:
    def test_the_same_files_elsewhere_are_the_same_manifest(
        self, made: Artifact, folder: Path, shared: LocalStore, tmp_path: Path
    ) -> None:
        elsewhere = tmp_path / "moved"
        shutil.copytree(folder, elsewhere)
        again = make_manifest(ManifestSpec((str(elsewhere),)), shared, HERE)
        assert again.id == made.id
        assert StoredManifest(shared, again).roots == {"": str(elsewhere)}
        make_manifest(ManifestSpec((str(folder),)), shared, HERE)
        assert StoredManifest(shared, again).roots == {"": str(folder)}

    def test_a_store_of_its_own_gives_the_same_id(self, made: Artifact, folder: Path, store: LocalStore) -> None:
        assert make_manifest(ManifestSpec((str(folder),)), store, HERE).id == made.id

    def test_other_bytes_are_another_manifest(
        self, made: Artifact, folder: Path, store: LocalStore, tmp_path: Path, make_picture: Callable[..., bytes]
    ) -> None:
        changed = tmp_path / "changed"
        shutil.copytree(folder, changed)
        before = make_manifest(ManifestSpec((str(changed),)), store, HERE)
        (changed / "gallery/ape/3.png").write_bytes(make_picture(999))
        after = make_manifest(ManifestSpec((str(changed),)), store, HERE)
        assert before.id == made.id != after.id
        assert whole(store, before).ids.tolist() == whole(store, after).ids.tolist()

    def test_other_labels_are_another_manifest(self, made: Artifact, folder: Path, shared: LocalStore) -> None:
        without = make_manifest(ManifestSpec((str(folder),), labels="none"), shared, HERE)
        assert without.id != made.id
        assert without.card.facts["n_labelled"] == 0

    def test_sampled_queries_are_seeded(self, made: Artifact, folder: Path, shared: LocalStore) -> None:
        def sampled(seed: int) -> Artifact:
            return make_manifest(ManifestSpec((str(folder),), sample_queries=5, seed=seed), shared, HERE)

        first, other = sampled(1), sampled(2)
        assert first.card.facts["roles"] == {"distractor": 4, "gallery": 13, "query": 9}
        assert first.id != other.id
        fresh = LocalStore(shared.root.with_name("fresh"))
        assert make_manifest(ManifestSpec((str(folder),), sample_queries=5, seed=1), fresh, HERE).id == first.id

    @pytest.mark.parametrize("asked", [18, 1000])
    def test_more_samples_than_gallery(self, folder: Path, store: LocalStore, asked: int) -> None:
        with pytest.raises(InvalidSpec, match=f"--sample-queries: expected fewer than the 18 .* {asked}"):
            make_manifest(ManifestSpec((str(folder),), sample_queries=asked), store, HERE)


@pytest.mark.usefixtures("local_ray")
class TestSources:
    def test_a_list_with_columns_of_its_own(
        self, store: LocalStore, tmp_path: Path, make_picture: Callable[..., bytes], write_files: Callable[..., Path]
    ) -> None:
        lines = [
            {"id": "1e308", "uri": "b.png", "label": "=cmd()", "camera": "2"},
            {"id": "x", "uri": "a.png", "role": "query"},
            {"id": "gone", "uri": "nowhere.png"},
            {"id": "out", "uri": "../secret.png"},
        ]
        files = {"in/a.png": make_picture(1), "in/b.png": make_picture(2), "secret.png": make_picture(3)}
        write_files(tmp_path, files | {"in/l.jsonl": "\n".join(map(json.dumps, lines)).encode()})
        made = make_manifest(ManifestSpec((str(tmp_path / "in/l.jsonl"),)), store, HERE)
        rows = whole(store, made)
        assert rows.ids.tolist() == ["1e308", "x"]
        assert (rows[0].location, rows[0].label, dict(rows[0].extra)) == ("b.png", "=cmd()", {"camera": "2"})
        assert rows[1].role == "query"
        assert made.card.counts.rejected == {"missing": 1, "outside_root": 1}
        secret = hashlib.sha256(files["secret.png"]).digest()
        assert not any(secret in path.read_bytes() for path in store.root.rglob("*.parquet"))

    @pytest.mark.parametrize("id", ["", "one"])
    def test_a_list_of_absolute_places_is_the_same_manifest_in_any_folder(
        self, store: LocalStore, tmp_path: Path, make_picture: Callable[..., bytes], write_files: Callable[..., Path],
        id: str,
    ) -> None:  # fmt: skip
        made = []
        for place in ("here", "there"):
            folder = tmp_path / place
            files = {"set/a.png": make_picture(1), "l.csv": f"uri,id\n{folder}/set/a.png,{id}\n".encode()}
            write_files(folder, files)
            made.append(make_manifest(ManifestSpec((str(folder / "l.csv"),)), store, HERE))
        assert made[0].id == made[1].id
        moved = write_files(tmp_path / "moved", {"l.csv": files["l.csv"]}) / "l.csv"
        again = make_manifest(ManifestSpec((str(moved),), root=str(tmp_path / "there")), store, HERE)
        assert again.id == made[0].id

    def test_a_folder_whose_name_is_no_utf8(
        self, store: LocalStore, tmp_path: Path, make_picture: Callable[..., bytes], write_files: Callable[..., Path]
    ) -> None:
        folder = write_files(tmp_path / "\udcff", {"a.png": make_picture(1), "empty.png": b""})
        made = make_manifest(ManifestSpec((str(folder),)), store, HERE)
        assert whole(store, made).ids.tolist() == ["a.png"]
        (reject,) = read_rejects(store, made)
        assert (reject.id, reject.uri) == ("empty.png", f"{tmp_path}/%FF/empty.png")

    def test_sources_of_several_roles(
        self, store: LocalStore, tmp_path: Path, make_picture: Callable[..., bytes], write_files: Callable[..., Path]
    ) -> None:
        gallery = write_files(tmp_path / "g", {f"ape/{n}.png": make_picture(n) for n in range(3)})
        others = write_files(tmp_path / "d", {"0.png": make_picture(9), "1.png": make_picture(1)})
        made = make_manifest(ManifestSpec((str(gallery), f"distractor={others}")), store, HERE)
        assert whole(store, made).ids.tolist() == [*(f"gallery/ape/{n}.png" for n in range(3)), "distractor/0.png"]
        assert made.card.counts.rejected == {"duplicate_of_gallery": 1}
        assert made.card.counts.reject_rate == 0

    def test_limits_of_the_spec_hold(
        self, store: LocalStore, tmp_path: Path, make_picture: Callable[..., bytes], write_files: Callable[..., Path]
    ) -> None:
        files = {
            "ok.png": make_picture(0, (50, 50)),
            "wide.png": make_picture(1, (200, 2)),
            "big.png": make_picture(2, (60, 60)),
        }
        made = make_manifest(ManifestSpec((str(write_files(tmp_path / "in", files)),), max_pixels=2500), store, HERE)
        assert whole(store, made).ids.tolist() == ["ok.png"]
        assert made.card.counts.rejected == {"too_extreme": 1, "too_many_pixels": 1}

    def test_nothing_usable(self, store: LocalStore, tmp_path: Path, write_files: Callable[..., Path]) -> None:
        folder = write_files(tmp_path / "in", {"a.jpg": b"", "b.jpg": b"no", "c.jpg": b"picture"})
        with pytest.raises(InvalidSpec, match="all 3 files are rejected: 2 not_an_image, 1 empty"):
            make_manifest(ManifestSpec((str(folder),)), store, HERE)
        assert [key for key in keys(store) if key.startswith("manifest/")] == []

    def test_the_order_is_that_of_names_however_many_shards(
        self, store: LocalStore, tmp_path: Path, make_picture: Callable[..., bytes], write_files: Callable[..., Path],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        folder = write_files(tmp_path / "in", {f"{n:02}.png": make_picture(n) for n in range(11)} | {"05.jpg": b"no"})
        one = make_manifest(ManifestSpec((str(folder),)), store, HERE)
        monkeypatch.setattr("revsearch.stages.manifest._SHARD_ROWS", 2)
        other = LocalStore(tmp_path / "other")
        two = make_manifest(ManifestSpec((str(folder),)), other, HERE)
        assert (one.id, whole(store, one).ids.tolist()) == (two.id, whole(other, two).ids.tolist())
        assert np.array_equal(whole(store, one).contents, whole(other, two).contents)


@pytest.mark.parametrize("spec", [{"max_pixels": 0}, {"sample_queries": -1}])
def test_values_out_of_bounds_come_before_all(store: LocalStore, no_ray: None, spec: dict[str, Any]) -> None:
    for stage in (make_manifest, plan_manifest):
        with pytest.raises(InvalidSpec, match="expected at least"):
            stage(ManifestSpec(("nowhere",), **spec), store, HERE)

"""What sources list, before a byte is read: no Ray."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from revsearch.errors import InvalidSpec
from revsearch.rejects import Reason
from revsearch.specs import ManifestSpec
from revsearch.stages.listing import Candidates, list_sources
from tests.servers.server import Server

WriteFiles = Callable[..., Path]


def listed(*sources: object, **options: object) -> Candidates:
    return list_sources(ManifestSpec(tuple(map(str, sources)), **options))  # type: ignore[arg-type]  # fields of a spec


def settled(candidates: Candidates, labels: str = "auto") -> dict[str, tuple[str, str | None]]:
    """Role and label of each id, where all that is listed is a picture."""
    roles, named = candidates.settled(np.arange(len(candidates.rows)), labels)  # type: ignore[arg-type]
    return {id: (role, label) for id, role, label in zip(candidates.rows.ids, roles, named, strict=True)}


class TestFolders:
    def test_one_folder_keeps_its_names(self, tmp_path: Path, write_files: WriteFiles) -> None:
        folder = write_files(tmp_path / "in", {"ape/2.jpg": b"x", "ape/1.jpg": b"y", "bee/1.jpg": b"z", "a.txt": b""})
        found = listed(folder)
        assert found.rows.ids.tolist() == ["ape/1.jpg", "ape/2.jpg", "bee/1.jpg"]
        assert (found.n_ignored, found.rejects, found.roots) == (1, [], {"": str(folder)})
        assert settled(found)["ape/2.jpg"] == ("gallery", "ape")
        assert not found.rows.contents.any()

    def test_folders_may_name_roles(self, tmp_path: Path, write_files: WriteFiles) -> None:
        names = ["gallery/ape/1.jpg", "query/ape/1.jpg", "distractor/1.jpg"]
        found = listed(write_files(tmp_path / "in", dict.fromkeys(names, b"x")))
        assert settled(found) == {
            "gallery/ape/1.jpg": ("gallery", "ape"),
            "query/ape/1.jpg": ("query", "ape"),
            "distractor/1.jpg": ("distractor", None),
        }

    def test_several_sources_have_their_roles_before_their_names(self, tmp_path: Path, write_files: WriteFiles) -> None:
        one = write_files(tmp_path / "one", {"ape/1.jpg": b"x"})
        two = write_files(tmp_path / "two", {"ape/1.jpg": b"x"})
        three = write_files(tmp_path / "three", {"1.jpg": b"x"})
        found = listed(one, f"query={two}", f"distractor={three}")
        assert settled(found) == {
            "gallery/ape/1.jpg": ("gallery", "ape"),
            "query/ape/1.jpg": ("query", "ape"),
            "distractor/1.jpg": ("distractor", None),
        }
        assert found.roots == {"gallery/": str(one), "query/": str(two), "distractor/": str(three)}

    def test_a_single_source_with_a_role_keeps_its_ids(self, tmp_path: Path, write_files: WriteFiles) -> None:
        folder = write_files(tmp_path / "in", {"ape/1.jpg": b"x"})
        assert settled(listed(f"query={folder}")) == {"ape/1.jpg": ("query", "ape")}
        assert settled(listed(folder, role="query")) == {"ape/1.jpg": ("query", "ape")}

    @pytest.mark.parametrize(
        ("labels", "expected"),
        [("auto", None), ("parent", "old"), ("top", "ape"), ("none", None)],
    )
    def test_labels(self, tmp_path: Path, write_files: WriteFiles, labels: str, expected: str | None) -> None:
        found = listed(write_files(tmp_path / "in", {"ape/old/1.jpg": b"x", "bee/1.jpg": b"y"}))
        assert settled(found, labels)["ape/old/1.jpg"] == ("gallery", expected)

    def test_what_is_no_picture_does_not_hide_classes(self, tmp_path: Path, write_files: WriteFiles) -> None:
        found = listed(write_files(tmp_path / "in", {"ape/1.jpg": b"x", "bee/1.jpg": b"x", "stray": b"no picture"}))
        pictures = np.flatnonzero(found.rows.ids != "stray")
        roles, labels = found.settled(pictures, "auto")
        assert (roles.tolist(), labels.tolist()) == (["gallery"] * 2, ["ape", "bee"])

    def test_the_fingerprint_changes_with_any_file(self, tmp_path: Path, write_files: WriteFiles) -> None:
        folder = write_files(tmp_path / "in", {"1.jpg": b"x", "2.jpg": b"y"})
        before = listed(folder).fingerprint
        assert listed(folder).fingerprint == before
        assert listed(folder, role="query").fingerprint != before
        (folder / "2.jpg").write_bytes(b"longer")
        longer = listed(folder).fingerprint
        os.utime(folder / "1.jpg", ns=(1, 1))
        older = listed(folder).fingerprint
        write_files(folder, {"3.jpg": b"z"})
        assert len({before, longer, older, listed(folder).fingerprint}) == 4


class TestLists:
    ROWS = (
        {"uri": "a.jpg", "id": "first", "label": "ape", "role": "query", "group": "g", "camera": "7"},
        {"uri": "sub/b.jpg", "id": "second", "label": "bee", "role": "gallery", "group": "h", "camera": "__proto__"},
    )

    @pytest.fixture(params=["csv", "jsonl", "parquet"])
    def table(self, request: pytest.FixtureRequest, tmp_path: Path, write_files: WriteFiles) -> Path:
        """A list of two files in each of the forms."""
        folder = write_files(tmp_path / "in", {"a.jpg": b"x", "sub/b.jpg": b"y"})
        path = folder / f"list.{request.param}"
        match request.param:
            case "csv":
                lines = [",".join(self.ROWS[0]), *(",".join(row.values()) for row in self.ROWS)]
                path.write_text("\n".join(lines) + "\n")
            case "jsonl":
                path.write_text("".join(json.dumps(row) + "\n" for row in self.ROWS))
            case _:
                pq.write_table(pa.Table.from_pylist(list(self.ROWS)), path)
        return path

    def test_columns_are_kept(self, table: Path) -> None:
        found = listed(table)
        assert found.rows.ids.tolist() == ["first", "second"]
        assert found.rows.locations.tolist() == ["a.jpg", "sub/b.jpg"]
        assert found.rows.groups.tolist() == ["g", "h"]
        assert found.rows.extra["camera"].tolist() == ["7", "__proto__"]
        assert settled(found) == {"first": ("query", "ape"), "second": ("gallery", "bee")}
        assert found.roots == {"": str(table.parent)}

    def test_labels_none_takes_them_away(self, table: Path) -> None:
        assert listed(table, labels="none").rows.labels.tolist() == [None, None]

    def test_the_list_beside_a_folder(self, table: Path, tmp_path: Path, write_files: WriteFiles) -> None:
        other = write_files(tmp_path / "other", {"ape/1.jpg": b"x"})
        found = listed(f"query={table}", other)
        assert found.rows.ids.tolist() == ["query/first", "query/second", "gallery/ape/1.jpg"]
        assert settled(found)["gallery/ape/1.jpg"] == ("gallery", "ape")

    def test_the_fingerprint_sees_the_files_behind_an_unchanged_list(self, table: Path) -> None:
        before = listed(table).fingerprint
        assert listed(table).fingerprint == before
        (table.parent / "sub/b.jpg").write_bytes(b"longer")
        assert listed(table).fingerprint != before

    def test_where_the_id_is_the_location_it_is_not_said_twice(self, tmp_path: Path, write_files: WriteFiles) -> None:
        folder = write_files(tmp_path / "in", {"list.csv": b"uri\na.jpg\n"})
        found = listed(folder / "list.csv")
        assert (found.rows.ids.tolist(), found.rows.locations.tolist()) == (["a.jpg"], [None])

    @pytest.mark.parametrize(
        ("uri", "id", "location"),
        [
            ("./a.jpg", "", None),
            ("{root}/a.jpg", "", None),
            ("{root}//./a.jpg", "", None),
            ("{root}/a.jpg", "a.jpg", None),
            ("{root}/a.jpg", "one", "a.jpg"),
            ("./sub//a.jpg", "one", "sub/a.jpg"),
            ("{root}s/a.jpg", "one", "{root}s/a.jpg"),
            ("../a.jpg", "", None),
            ("../a.jpg", "one", "../a.jpg"),
            ("https://host/a.jpg", "one", "https://host/a.jpg"),
        ],
    )
    def test_locations_are_relative_to_the_root(
        self, tmp_path: Path, write_files: WriteFiles, uri: str, id: str, location: str | None
    ) -> None:
        folder = tmp_path / "in"
        lines = f"uri,id\n{uri},{id}\n".format(root=folder)
        rows = listed(write_files(folder, {"list.csv": lines.encode()}) / "list.csv").rows
        assert rows.locations.tolist() == [location and location.format(root=folder)]

    def test_the_fingerprint_sees_a_file_whose_name_is_no_utf8(self, tmp_path: Path, write_files: WriteFiles) -> None:
        folder = write_files(tmp_path / "in", {"list.csv": b"uri\n%FF.jpg\n", "\udcff.jpg": b"x"})
        before = listed(folder / "list.csv").fingerprint
        (folder / "\udcff.jpg").write_bytes(b"longer")
        assert listed(folder / "list.csv").fingerprint != before

    def test_a_root_of_its_own(self, tmp_path: Path, write_files: WriteFiles) -> None:
        path = write_files(tmp_path / "in", {"list.csv": b"uri\na.jpg\n"}) / "list.csv"
        assert listed(path, root=str(tmp_path)).roots == {"": str(tmp_path)}

    def test_bad_rows_are_an_error_or_rejects(self, tmp_path: Path, write_files: WriteFiles) -> None:
        path = write_files(tmp_path / "in", {"list.csv": b"uri,label\na.jpg,ape\nb.jpg\nc.jpg,bee\n"}) / "list.csv"
        with pytest.raises(InvalidSpec, match="line 3"):
            listed(path)
        found = listed(f"query={path}", write_files(tmp_path / "other", {"1.jpg": b""}), on_bad_row="skip")
        assert found.rows.ids.tolist() == ["query/a.jpg", "query/c.jpg", "gallery/1.jpg"]
        assert [reject.reason for reject in found.rejects] == [Reason.PARSE]
        assert found.rejects[0].id.startswith("query/")


class TestBuckets:
    @pytest.fixture
    def bucket(self, moto: Server, in_environment_of: Callable[..., None]) -> str:
        in_environment_of(moto)
        return moto.make_bucket()

    def test_a_prefix_is_listed_as_the_folder(
        self, bucket: str, moto: Server, tmp_path: Path, write_files: WriteFiles
    ) -> None:
        files = {"ape/1.jpg": b"x", "bee/%FF.jpg": b"yy", "distractor/1.jpg": b"z", "a.txt": b""}
        here, there = listed(write_files(tmp_path / "in", files)), listed(moto.fill(f"{bucket}/in", files))
        assert there.rows.ids.tolist() == here.rows.ids.tolist()
        assert there.rows.sizes.tolist() == here.rows.sizes.tolist() == [1, 2, 1]
        assert settled(there) == settled(here)
        assert (there.n_ignored, there.roots) == (1, {"": f"{bucket}/in"})

    def test_prefixes_folders_and_lists_together(
        self, bucket: str, moto: Server, tmp_path: Path, write_files: WriteFiles
    ) -> None:
        moto.fill(bucket, {"queries/1.jpg": b"x", "more/list.csv": b"uri\n1.jpg\n", "more/1.jpg": b"x"})
        folder = write_files(tmp_path / "in", {"1.jpg": b"x"})
        found = listed(folder, f"query={bucket}/queries/", f"distractor={bucket}/more/list.csv")
        assert found.rows.ids.tolist() == ["gallery/1.jpg", "query/1.jpg", "distractor/1.jpg"]
        assert found.roots == {
            "gallery/": str(folder), "query/": f"{bucket}/queries", "distractor/": f"{bucket}/more",
        }  # fmt: skip

    def test_the_fingerprint_changes_with_any_object(self, bucket: str, moto: Server) -> None:
        moto.fill(bucket, {"1.jpg": b"x", "2.jpg": b"y"})
        before = listed(bucket).fingerprint
        assert listed(bucket).fingerprint == before
        moto.fill(bucket, {"2.jpg": b"z"})
        assert listed(bucket).fingerprint != before

    @pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
    def test_a_list_in_a_bucket_says_what_it_says_in_a_folder(
        self, bucket: str, moto: Server, tmp_path: Path, write_files: WriteFiles, suffix: str
    ) -> None:
        table = pa.table({"uri": ["./sub//b.jpg", "a.jpg"], "id": ["", "one"], "label": ["ape", "bee"]})
        folder = write_files(tmp_path / "in", {"a.jpg": b"x", "sub/b.jpg": b"yy"})
        path = folder / f"list{suffix}"
        match suffix:
            case ".parquet":
                pq.write_table(table, path)
            case ".jsonl":
                path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
            case _:
                rows = [table.column_names, *(row.values() for row in table.to_pylist())]
                path.write_text("".join(("," if suffix == ".csv" else "\t").join(row) + "\n" for row in rows))
        files = {name: (folder / name).read_bytes() for name in ("a.jpg", "sub/b.jpg", path.name)}
        here, there = listed(path), listed(f"{moto.fill(f'{bucket}/in', files)}/{path.name}")
        for name in ("ids", "locations", "labels", "sizes"):
            assert getattr(there.rows, name).tolist() == getattr(here.rows, name).tolist()
        assert here.rows.ids.tolist() == ["sub/b.jpg", "one"]
        assert here.rows.sizes.tolist() == [2, 1]
        assert there.roots == {"": f"{bucket}/in"}

    def test_a_list_of_this_machine_names_objects(self, bucket: str, moto: Server, tmp_path: Path) -> None:
        moto.fill(f"{bucket}/in", {"a.jpg": b"x", "b.jpg": b"yy"})
        path = tmp_path / "list.csv"
        path.write_text(f"uri,id\n{bucket}/in/a.jpg,\nb.jpg,\n{bucket}/out/c.jpg,three\n../d.jpg,four\n")
        found = listed(path, root=f"{bucket}/in")
        assert found.rows.ids.tolist() == ["a.jpg", "b.jpg", "three", "four"]
        assert found.rows.locations.tolist() == [None, None, f"{bucket}/out/c.jpg", "../d.jpg"]
        assert found.rows.sizes.tolist() == [1, 2, 0, 0]
        assert found.roots == {"": f"{bucket}/in"}
        everywhere, name = listed(path, root="s3://"), bucket.removeprefix("s3://")
        assert everywhere.rows.ids.tolist()[0] == f"{name}/in/a.jpg"
        assert everywhere.rows.sizes.tolist()[0] == 1

    def test_the_fingerprint_sees_the_objects_behind_an_unchanged_list(
        self, bucket: str, moto: Server, tmp_path: Path
    ) -> None:
        path = tmp_path / "list.csv"
        path.write_text("uri\na.jpg\n")
        moto.fill(bucket, {"a.jpg": b"x"})
        before = listed(path, root=bucket).fingerprint
        assert listed(path, root=bucket).fingerprint == before
        moto.fill(bucket, {"a.jpg": b"y"})
        assert listed(path, root=bucket).fingerprint != before

    def test_bad_rows_name_the_list_by_its_address(self, bucket: str, moto: Server) -> None:
        moto.fill(bucket, {"list.csv": b"uri,label\na.jpg\nb.jpg,bee\n"})
        with pytest.raises(InvalidSpec, match=f"{bucket}/list.csv line 2"):
            listed(f"{bucket}/list.csv")
        (reject,) = listed(f"{bucket}/list.csv", on_bad_row="skip").rejects
        assert (reject.id, reject.uri) == ("list.csv:2", f"{bucket}/list.csv")

    @pytest.mark.parametrize("source", ["/nothing", "/list.csv", ""])
    def test_nothing_at_an_address(self, bucket: str, source: str) -> None:
        with pytest.raises(InvalidSpec, match=f"{bucket}{source}: no such folder or list"):
            listed(bucket + source)


@pytest.mark.parametrize(
    ("sources", "match"),
    [
        ((), "at least one source"),
        (("{}/nowhere",), "no such folder or list"),
        (("a" * 300,), "no such folder or list"),
        (("http://host/prefix",), "expected a folder or a list"),
        (("{}/empty",), "expected images, found none .1 files ignored"),
        (("{0}/full", "{0}/full"), "two sources of one role"),
        (("gallery={0}/full", "{0}/full"), "two sources of one role"),
        (("{0}/list.xml",), "list.xml"),
    ],
)
def test_sources_that_are_none(tmp_path: Path, write_files: WriteFiles, sources: tuple[str, ...], match: str) -> None:
    write_files(tmp_path, {"full/1.jpg": b"x", "empty/notes.txt": b"x", "list.xml": b"<x/>"})
    with pytest.raises(InvalidSpec, match=match):
        listed(*(source.format(tmp_path) for source in sources))

import errno
import os
from pathlib import Path

import pytest

from revsearch.errors import InvalidSpec
from revsearch.rejects import Reason, Rejection
from revsearch.storage.images import read_image
from revsearch.storage.sources import Listing, list_folder


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def listed(root: Path, *, follow_symlinks: bool = False) -> Listing:
    return list_folder(root, follow_symlinks=follow_symlinks)


def reasons(listing: Listing) -> dict[str, Reason]:
    return {reject.id: reject.reason for reject in listing.rejects}


def test_files_are_sorted_by_id_as_posix_sorts_bytes(tmp_path: Path) -> None:
    names = ["b.jpg", "a/z.jpg", "a.jpg", "a-b/1.jpg", "A/1.jpg", "é.jpg", "🦍.jpg", "a/b/c/d.jpg"]
    make(tmp_path, *names)
    assert list(listed(tmp_path).ids) == sorted(names, key=str.encode)


def test_sizes_and_times_are_the_files(tmp_path: Path) -> None:
    make(tmp_path, "b/1.jpg", "a.jpg")
    os.utime(tmp_path / "a.jpg", ns=(1, 1_700_000_000_123_456_789))
    listing = listed(tmp_path)
    assert len(listing) == 2
    assert (listing.ids.tolist(), listing.sizes.tolist()) == (["a.jpg", "b/1.jpg"], [5, 7])
    assert listing.versions[0] == 1_700_000_000_123_456_789


def test_an_empty_folder_is_an_empty_listing(tmp_path: Path) -> None:
    assert len(listed(tmp_path)) == 0


def test_hidden_files_and_other_kinds_are_ignored_and_counted(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", ".hidden.jpg", ".git/config", ".git/HEAD", "ape/.DS_Store")
    make(tmp_path, *(f"list{suffix}" for suffix in (".json", ".TXT", ".csv", ".tsv", ".jsonl", ".parquet")))
    make(tmp_path, "x.npy", "README.md", "index.html")
    listing = listed(tmp_path)
    assert list(listing.ids) == ["a.jpg"]
    assert listing.ignored == 3 + 9


def test_whatever_may_be_a_picture_is_an_entry(tmp_path: Path) -> None:
    make(tmp_path, "no_suffix", "a.svg", "set.json/1.jpg")
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "broken.jpg").symlink_to("gone")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    assert list(listed(tmp_path).ids) == ["a.svg", "broken.jpg", "fifo.jpg", "loop.jpg", "no_suffix", "set.json/1.jpg"]


@pytest.mark.parametrize("name", [b"\xff.jpg", b"a\nb.jpg", b"%FF.jpg", b"%2e%2e", b"-rf", "é".encode() * 127])
def test_hostile_names_are_listed_and_found_again(name: bytes, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / os.fsdecode(name)).write_bytes(name)
    (id,) = listed(tmp_path).ids
    assert read_image(id, tmp_path, max_bytes=1000) == name


def test_links_to_folders_below_the_root_are_followed(tmp_path: Path) -> None:
    make(tmp_path, "all/ape/1.jpg")
    (tmp_path / "query").mkdir()
    (tmp_path / "query" / "ape").symlink_to("../all/ape")
    assert list(listed(tmp_path).ids) == ["all/ape/1.jpg", "query/ape/1.jpg"]


def test_links_to_folders_outside_need_leave(tmp_path: Path) -> None:
    make(tmp_path, "outside/1.jpg", "root/a.jpg")
    (tmp_path / "root" / "more").symlink_to("../outside")
    closed = listed(tmp_path / "root")
    assert list(closed.ids) == ["a.jpg"]
    assert reasons(closed) == {"more": Reason.OUTSIDE_ROOT}
    assert list(listed(tmp_path / "root", follow_symlinks=True).ids) == ["a.jpg", "more/1.jpg"]


@pytest.mark.parametrize("follow_symlinks", [False, True])
def test_loops_of_folders_end_and_are_accounted_for(follow_symlinks: bool, tmp_path: Path) -> None:
    make(tmp_path, "a/b/1.jpg")
    (tmp_path / "a" / "b" / "up").symlink_to("..")
    (tmp_path / "self").symlink_to(".")
    listing = listed(tmp_path, follow_symlinks=follow_symlinks)
    assert list(listing.ids) == ["a/b/1.jpg"]
    assert reasons(listing) == {"a/b/up": Reason.SYMLINK, "self": Reason.SYMLINK}


def test_a_tree_of_links_that_doubles_at_every_level_ends(tmp_path: Path) -> None:
    for level in range(40):
        (tmp_path / f"d{level}").mkdir()
        for name in ("left", "right"):
            (tmp_path / f"d{level}" / name).symlink_to(f"../d{level + 1}")
    make(tmp_path, "d40/1.jpg")
    listing = listed(tmp_path, follow_symlinks=True)
    assert list(listing.ids) == ["d39/left/1.jpg", "d39/right/1.jpg", "d40/1.jpg"]
    assert set(reasons(listing).values()) == {Reason.SYMLINK}


def test_a_folder_that_cannot_be_read_is_accounted_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "closed/1.jpg", "open/1.jpg", "stale/1.jpg")
    real_scandir = os.scandir
    codes = {"closed": errno.EACCES, "stale": errno.ESTALE}

    def scandir(path: str):
        code = codes.get(Path(path).name)
        if code:
            raise OSError(code, os.strerror(code), path)
        return real_scandir(path)

    monkeypatch.setattr(os, "scandir", scandir)
    listing = listed(tmp_path)
    assert list(listing.ids) == ["open/1.jpg"]
    assert reasons(listing) == {"closed": Reason.PERMISSION, "stale": Reason.STORE_ERROR}


def test_a_file_gone_in_mid_run_is_listed_and_missing(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    (id,) = listed(tmp_path).ids
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(Rejection) as caught:
        read_image(id, tmp_path, max_bytes=1000)
    assert caught.value.reason is Reason.MISSING


@pytest.mark.parametrize("name", ["gone", "file.jpg"])
def test_a_root_that_is_no_folder_is_refused(name: str, tmp_path: Path) -> None:
    make(tmp_path, "file.jpg")
    with pytest.raises(InvalidSpec, match="expected a folder of images"):
        listed(tmp_path / name)


@pytest.mark.data
def test_every_image_of_a_real_set_is_listed(shared_data: Path) -> None:
    listing = listed(shared_data / "images" / "animals")
    assert len(listing) == 851 + 729 + 333
    assert not listing.rejects

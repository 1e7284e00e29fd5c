import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from revsearch.rejects import Reason, Rejection
from revsearch.storage.images import read_image
from revsearch.storage.names import encode_id

SECRET = b"the target's bytes"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "ape").mkdir(parents=True)
    (root / "ape" / "1.jpg").write_bytes(b"image one")
    (tmp_path / "secret.jpg").write_bytes(SECRET)
    (tmp_path / "root-beside").mkdir()
    (tmp_path / "root-beside" / "a.jpg").write_bytes(SECRET)
    return root


def read(location: str, root: Path, **options: bool) -> bytes:
    return read_image(location, root, max_bytes=1000, **options)


def rejection(location: str, root: Path, **options: bool) -> Rejection:
    with pytest.raises(Rejection) as caught:
        read(location, root, **options)
    return caught.value


@pytest.mark.parametrize("location", ["ape/1.jpg", "./ape//1.jpg"])
def test_reads_the_bytes(location: str, root: Path) -> None:
    assert read(location, root) == b"image one"


def test_reads_an_absolute_path_below_the_root(root: Path) -> None:
    assert read(str(root / "ape" / "1.jpg"), root) == b"image one"


def test_reads_below_a_root_given_through_a_link_or_relative(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    monkeypatch.chdir(root.parent)
    assert read("ape/1.jpg", link) == b"image one"
    assert read(str(link / "ape" / "1.jpg"), link) == b"image one"
    assert read(str(root / "ape" / "1.jpg"), link) == b"image one"
    assert read("ape/1.jpg", Path("root")) == b"image one"


def test_reads_through_links_that_stay_below_the_root(root: Path) -> None:
    (root / "file.jpg").symlink_to("ape/1.jpg")
    (root / "folder").symlink_to("ape")
    assert read("file.jpg", root) == b"image one"
    assert read("folder/1.jpg", root) == b"image one"


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)  # a whole path may be too long for a socket


def make_device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero: endless where it is read
    except PermissionError:
        pytest.skip("only root makes devices")


@pytest.mark.parametrize("make", [Path.mkdir, make_fifo, make_socket, make_device])
def test_what_is_no_regular_file_is_rejected_without_blocking(make, root: Path) -> None:
    make(root / "a.jpg")
    assert rejection("a.jpg", root).reason is Reason.NOT_REGULAR


def test_a_device_behind_a_link_is_rejected(root: Path) -> None:
    (root / "a.jpg").symlink_to("/dev/zero")
    assert rejection("a.jpg", root).reason is Reason.OUTSIDE_ROOT
    assert rejection("a.jpg", root, follow_symlinks=True).reason is Reason.NOT_REGULAR


@pytest.mark.parametrize("location", ["", ".", "ape"])
def test_a_folder_is_no_image(location: str, root: Path) -> None:
    assert rejection(location, root).reason is Reason.NOT_REGULAR


def test_a_loop_of_links_is_rejected_as_symlink(root: Path) -> None:
    (root / "a.jpg").symlink_to("b.jpg")
    (root / "b.jpg").symlink_to("a.jpg")
    assert rejection("a.jpg", root).reason is Reason.SYMLINK


def test_a_broken_link_is_missing(root: Path) -> None:
    (root / "a.jpg").symlink_to("gone.jpg")
    assert rejection("a.jpg", root).reason is Reason.MISSING


OUTSIDE = [
    "../secret.jpg", "../..", "../nowhere.jpg", "ape/../../secret.jpg", "ape/../ape/1.jpg", "/etc/passwd",
    "//etc/passwd", "/nowhere", "file:///etc/passwd", "http://127.0.0.1/a.jpg", "s3://bucket/a.jpg",
    "ape/1.jpg\0", "\0",
]  # fmt: skip


@pytest.mark.parametrize("follow_symlinks", [False, True])
@pytest.mark.parametrize("location", OUTSIDE)
def test_what_is_not_below_the_root_is_rejected(location: str, follow_symlinks: bool, root: Path) -> None:
    found = rejection(location, root, follow_symlinks=follow_symlinks)
    assert found.reason is Reason.OUTSIDE_ROOT
    assert SECRET.decode() not in str(found)


def test_absolute_paths_outside_the_root_are_rejected_before_they_are_opened(root: Path) -> None:
    for path in (root.parent / "secret.jpg", root.parent / "root-beside" / "a.jpg", root / ".." / "secret.jpg"):
        assert rejection(str(path), root, follow_symlinks=True).reason is Reason.OUTSIDE_ROOT


@pytest.mark.parametrize("target", ["../secret.jpg", "../root-beside/a.jpg"])
def test_a_link_out_of_the_root_needs_leave(target: str, root: Path) -> None:
    (root / "a.jpg").symlink_to(target)
    (root / "folder").symlink_to("..")
    for location in ("a.jpg", "folder/secret.jpg"):
        found = rejection(location, root)
        assert found.reason is Reason.OUTSIDE_ROOT
        assert SECRET.decode() not in str(found)
        assert read(location, root, follow_symlinks=True) == SECRET


def test_a_folder_exchanged_for_a_link_after_the_names_were_checked(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open = os.open

    def exchange_then_open(path: bytes, *args: object, **options: object) -> int:
        if path == b"ape/secret.jpg":
            (root / "ape").rename(root / "was")
            (root / "ape").symlink_to("..")
        return real_open(path, *args, **options)

    monkeypatch.setattr(os, "open", exchange_then_open)
    assert rejection("ape/secret.jpg", root).reason is Reason.OUTSIDE_ROOT


@pytest.mark.parametrize(
    "location", ["ape/2.jpg", "ape/1.jpg/deeper", "x" * 256, "x/" * 3000, "\udcff", "%2e%2e/secret.jpg"]
)
def test_what_is_not_there_is_missing(location: str, root: Path) -> None:
    assert rejection(location, root).reason is Reason.MISSING


def test_a_root_that_went_away_makes_images_missing(root: Path) -> None:
    root.rename(root.parent / "moved")
    assert rejection("ape/1.jpg", root).reason is Reason.MISSING


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.EACCES, Reason.PERMISSION),
        (errno.EPERM, Reason.PERMISSION),
        (errno.ENOENT, Reason.MISSING),
        (errno.EIO, Reason.STORE_ERROR),
        (errno.ESTALE, Reason.STORE_ERROR),
        (errno.EMFILE, Reason.STORE_ERROR),
    ],
)
@pytest.mark.parametrize("call", ["open", "read"])
def test_what_the_file_system_answers_becomes_a_reason(
    call: str, code: int, reason: Reason, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, fail)  # the tests may run as root, whom no mode stops
    found = rejection("ape/1.jpg", root)
    assert found.reason is reason
    assert found.reason.transient


def test_empty_and_too_many_bytes(root: Path) -> None:
    (root / "empty.jpg").touch()
    with (root / "sparse.jpg").open("wb") as file:
        file.truncate(2**40)  # would not fit into memory
    (root / "just.jpg").write_bytes(b"x" * 1000)
    assert rejection("empty.jpg", root).reason is Reason.EMPTY
    assert rejection("sparse.jpg", root).reason is Reason.TOO_MANY_BYTES
    assert len(read("just.jpg", root)) == 1000


def test_short_reads_are_completed_and_a_file_cut_meanwhile_ends(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_read = os.read
    monkeypatch.setattr(os, "read", lambda file, size: real_read(file, min(size, 4)))
    assert read("ape/1.jpg", root) == b"image one"
    monkeypatch.setattr(os, "read", lambda file, size: b"")
    assert rejection("ape/1.jpg", root).reason is Reason.EMPTY


NAMES = [
    "🦍.jpg", "\u00e9.jpg", "e\u0301.jpg", "\u202egpj.exe", "a\nb.jpg", "a\tb.jpg", "\"'.jpg", "<script>.jpg",
    "=cmd().jpg", "-rf", "%2e%2e", "%FF.jpg", "caf%C3%A9.jpg", "é" * 127 + "x",
]  # fmt: skip


@pytest.mark.parametrize("name", [*(name.encode() for name in NAMES), b"\xff\xfe.jpg", b"caf\xe9.jpg"])
def test_hostile_names_are_found_again(name: bytes, root: Path) -> None:
    (root / os.fsdecode(name)).write_bytes(b"found")
    assert read(encode_id(name), root) == b"found"


@pytest.mark.parametrize("name", ["a\nb\x1b[31m\r.jpg", "\u202egpj.jpg"])
def test_a_message_stays_one_line_of_plain_characters(name: str, root: Path) -> None:
    message = str(rejection(name, root))
    assert message.isprintable()


def test_no_descriptor_is_left_open(root: Path) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    for location in ("ape/1.jpg", "ape", "gone", "../x"):
        with contextlib.suppress(Rejection):
            read(location, root)
    assert len(list(Path("/dev/fd").iterdir())) == before

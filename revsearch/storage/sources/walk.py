"""Walk a folder of images: every file is listed, ignored by its kind, or lies in a folder that is accounted for."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from revsearch.errors import InvalidSpec
from revsearch.rejects import Reason, Reject
from revsearch.storage.images import reason_of
from revsearch.storage.names import encode_id
from revsearch.storage.sources.listing import Found, Listing

STAGE = "manifest"
NO_PICTURES = frozenset({".json", ".txt", ".csv", ".tsv", ".jsonl", ".parquet", ".npy", ".md", ".html"})


def list_folder(root: Path, *, follow_symlinks: bool) -> Listing:
    """List the files below `root`, and account for every folder that cannot be read.

    Whatever may be a picture is an entry, also a FIFO or a broken link: reading it tells. Links to folders are
    followed where they stay below the root, or everywhere with `follow_symlinks`, but never into a folder that holds
    them, nor a second one on the way: no tree of links is endless.

    Raises:
        InvalidSpec: where `root` is no folder that can be listed.
    """
    walk = _Walk(os.path.realpath(root), follow_symlinks)
    try:
        os.scandir(root).close()
    except OSError as error:
        raise InvalidSpec(f"{root}: expected a folder of images: {error.strerror}; check the path") from error
    walk.run(str(root))
    return walk.found.listing()


@dataclass(frozen=True, slots=True)
class _Folder:
    path: str
    prefix: str  # of the ids in it: empty, or ending in /
    linked: bool = False  # reached through a link


@dataclass
class _Walk:
    real_root: str
    follow_symlinks: bool
    found: Found = field(default_factory=Found)
    pending: list[_Folder] = field(default_factory=list)

    def run(self, root: str) -> None:
        self.pending.append(_Folder(root, ""))
        while self.pending:
            folder = self.pending.pop()
            try:
                with os.scandir(folder.path) as entries:
                    for entry in entries:
                        self.see(entry, folder)
            except OSError as error:
                self.reject(folder.prefix.rstrip("/") or ".", reason_of(error), str(error))

    def see(self, entry: "os.DirEntry[str]", folder: _Folder) -> None:
        if entry.name.startswith("."):
            self.found.ignored += 1
        elif _is_folder(entry):
            self.enter(entry, folder)
        elif os.path.splitext(entry.name)[1].lower() in NO_PICTURES:  # noqa: PTH122  # a Path a file is slow
            self.found.ignored += 1
        else:
            self.add(entry, folder)

    def add(self, entry: "os.DirEntry[str]", folder: _Folder) -> None:
        self.found.add(_id(entry, folder), *_facts(entry))

    def enter(self, entry: "os.DirEntry[str]", folder: _Folder) -> None:
        linked = entry.is_symlink()
        problem = self.link_problem(entry, folder) if linked else None
        if problem:
            self.reject(_id(entry, folder), *problem)
        else:
            self.pending.append(_Folder(entry.path, _id(entry, folder) + "/", folder.linked or linked))

    def link_problem(self, entry: "os.DirEntry[str]", folder: _Folder) -> tuple[Reason, str] | None:
        target = os.path.realpath(entry.path)
        if _is_below(os.path.realpath(folder.path), target):
            return Reason.SYMLINK, "a link to a folder that holds it"
        if folder.linked:
            return Reason.SYMLINK, "a link to a folder, inside a folder that is itself reached by a link"
        if not self.follow_symlinks and not _is_below(target, self.real_root):
            return Reason.OUTSIDE_ROOT, "a link to a folder outside the root; --follow-symlinks allows it"
        return None

    def reject(self, id: str, reason: Reason, message: str) -> None:
        self.found.rejects.append(Reject(id, id, STAGE, reason, message))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads nowhere: reading it tells why


def _facts(entry: "os.DirEntry[str]") -> tuple[int, int]:
    """Return size and time of the file, else of the link itself, else zeros: reading it tells why."""
    for follow in (True, False):
        try:
            facts = entry.stat(follow_symlinks=follow)
        except OSError:
            continue
        return facts.st_size, facts.st_mtime_ns
    return 0, 0


def _id(entry: "os.DirEntry[str]", folder: _Folder) -> str:
    name = entry.name
    plain = name.isascii() and "%" not in name
    return folder.prefix + (name if plain else encode_id(os.fsencode(name)))


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")

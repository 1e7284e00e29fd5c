"""A folder as the place where images lie; see `roots.Root`."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from revsearch.storage.images import read_image
from revsearch.storage.names import decode_id, encode_id, is_url, tidied
from revsearch.storage.roots import Facts
from revsearch.storage.sources import Listing, list_folder


@dataclass(frozen=True, slots=True)
class Folder:
    """Locations are paths below `path`, which is absolute, or absolute paths."""

    path: Path

    @property
    def uri(self) -> str:
        """The folder."""
        return str(self.path)

    @property
    def is_remote(self) -> bool:
        """No: a file is read as fast as another thread could ask for it."""
        return False

    def require_reachable(self, examples: Sequence[str]) -> None:  # as a bucket has it
        """See `Root.require_reachable`."""

    def read(self, location: str, *, max_bytes: int, follow_symlinks: bool = False) -> bytes:
        """See `Root.read`."""
        return read_image(location, self.path, max_bytes=max_bytes, follow_symlinks=follow_symlinks)

    def list(self, *, follow_symlinks: bool) -> Listing:
        """See `Root.list`."""
        return list_folder(self.path, follow_symlinks=follow_symlinks)

    def facts(self, locations: Sequence[str]) -> Facts:
        """See `Root.facts`."""
        facts = Facts.nothing(len(locations))
        for place, location in enumerate(locations):
            with suppress(OSError, ValueError):  # not there, or no path at all: reading it tells
                stat = (self.path / os.fsdecode(decode_id(location))).stat()
                facts.sizes[place], facts.versions[place] = stat.st_size, stat.st_mtime_ns
        return facts

    def location_of(self, uri: str) -> str:
        """See `Root.location_of`."""
        if is_url(uri):
            return uri
        path = tidied(uri)
        if not uri.startswith("/"):
            return path or uri
        top = encode_id(os.fsencode(os.path.abspath(self.path))).strip("/") + "/"  # noqa: PTH100  # Path.absolute keeps ..
        return path.removeprefix(top) if path.startswith(top) else f"/{path}"

    def uri_of(self, location: str) -> str:
        """See `Root.uri_of`: bytes of the folder's name that are no UTF-8 are written as in ids."""
        return f"{encode_id(os.fsencode(self.path))}/{location}"

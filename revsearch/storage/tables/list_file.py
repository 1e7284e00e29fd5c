"""A list as a file of this machine, whatever its own address."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from revsearch.storage.names import encode_id

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class ListFile:
    """Where the bytes of a list are, and the address it goes by in messages and rejects."""

    path: Path
    uri: str

    @classmethod
    def at(cls, path: Path) -> Self:
        """Return the list that is a file of this machine; bytes of its name that are no UTF-8 are written as in ids."""
        return cls(path, encode_id(os.fsencode(path)))

    @property
    def suffix(self) -> str:
        """Which form it has: one of `SUFFIXES`, or another."""
        return self.path.suffix.lower()

    @property
    def unit(self) -> str:
        """What its rows are counted in."""
        return "row" if self.suffix == ".parquet" else "line"

    def __str__(self) -> str:
        return self.uri

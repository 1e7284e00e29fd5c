"""Addresses of buckets and of what is in them: `s3://bucket/key`."""

import re
from dataclasses import dataclass
from typing import Self

from revsearch.errors import InvalidSpec

SCHEME = "s3://"
_BUCKET = re.compile(r"s3://[A-Za-z0-9._-]+(?=/)")


def is_s3(uri: str) -> bool:
    """Say whether an address is one of a bucket, and not of a folder."""
    return uri.startswith(SCHEME)


def root_that_allows(location: str) -> str:
    """Return what to say of an address outside the root: which `--root` would allow it; nothing of other URLs."""
    found = _BUCKET.match(location)
    return f"; --root {found[0]} allows it" if found else ""


@dataclass(frozen=True, slots=True)
class S3Address:
    """A bucket and a key in it, or the beginning of keys; empty: all of the bucket."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Take an address apart.

        Raises:
            InvalidSpec: where it is not of the form `s3://bucket/key`.
        """
        bucket, _, key = uri.removeprefix(SCHEME).partition("/")
        if not is_s3(uri) or not bucket:
            raise InvalidSpec(f"expected s3://bucket or s3://bucket/prefix, found {uri!r}")
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}".rstrip("/")

    @property
    def folder(self) -> Self:
        """The same as the beginning of the keys below it: ends in `/`, or is empty."""
        return type(self)(self.bucket, f"{self.key.rstrip('/')}/" if self.key.strip("/") else "")

    def below(self, name: str) -> Self:
        """Return the address of a name below this one."""
        return type(self)(self.bucket, f"{self.folder.key}{name}")

"""A store in a bucket. Data under content names; commits are one small conditional PutObject each.

Nothing rests on conditions of multipart uploads, copies or deletes: some servers ignore those without a word.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

from s3transfer.manager import TransferConfig, TransferManager

from revsearch.errors import MissingArtifact
from revsearch.storage.s3 import conditional
from revsearch.storage.s3.address import S3Address
from revsearch.storage.s3.bodies import TRIES, Body, read_body
from revsearch.storage.s3.client import Endpoint, client_of
from revsearch.storage.s3.failures import mapped
from revsearch.storage.s3.probe import require_conditional_writes
from revsearch.storage.store import KeyInfo, is_key, missing, require_key, require_prefix
from revsearch.storage.threads import DaemonThreads

# Bounds what a download holds in memory to 16 MiB; an upload reads its file as it sends it.
_TRANSFERS = TransferConfig(
    multipart_threshold=16 * 2**20,
    multipart_chunksize=16 * 2**20,
    max_request_concurrency=8,
    io_chunksize=2**18,
    max_io_queue_size=64,
    num_download_attempts=TRIES,
)


@dataclass(frozen=True)
class S3Store:
    """Keys are objects below `root`. Small, and picklable: each process makes its own client."""

    root: S3Address
    endpoint: Endpoint

    @classmethod
    def at(cls, uri: str) -> Self:
        """Open the store at `s3://bucket/prefix`.

        Raises:
            InvalidSpec: where the bucket is not there, or must not be looked at.
            StoreUnavailable: where nobody answers, within seconds.
        """
        root = S3Address.parse(uri)
        if root.folder.key:
            require_key(root.folder.key.removesuffix("/"))  # HTTP makes something else of `..`
        store = cls(root, Endpoint.of_environment())
        with mapped(store.uri):
            client = client_of(store.endpoint, patient=False)
            client.list_objects_v2(Bucket=root.bucket, Prefix=root.folder.key, MaxKeys=1)
        return store

    @property
    def uri(self) -> str:
        """The address of the bucket and prefix."""
        return str(self.root)

    @property
    def _client(self) -> Any:
        return client_of(self.endpoint)

    def read(self, key: str) -> bytes:
        """See `Store.read`."""
        return self._read(key).data

    def write(self, key: str, data: bytes) -> None:
        """See `Store.write`."""
        place = self._place(key)
        with self._mapped(key):
            self._client.put_object(Bucket=place.bucket, Key=place.key, Body=data)

    def upload(self, key: str, path: Path) -> None:
        """See `Store.upload`: in parts, where it is large."""
        place = self._place(key)
        with self._mapped(key), self._transfers() as transfers:
            transfers.upload(str(path), place.bucket, place.key).result()

    def download(self, key: str, folder: Path) -> Path:
        """See `Store.download`: a copy, in ranges where it is large."""
        place = self._place(key)
        path = folder / f"{uuid.uuid4().hex}{PurePosixPath(key).suffix}"  # the same key may be there already
        with self._mapped(key), self._transfers() as transfers:
            transfers.download(place.bucket, place.key, str(path)).result()
        return path

    def list(self, prefix: str) -> Iterator[KeyInfo]:
        """See `Store.list`: a request for every 1,000 keys."""
        require_prefix(prefix)
        folder = self.root.folder
        lister = self._client.get_paginator("list_objects_v2")
        pages = iter(lister.paginate(Bucket=folder.bucket, Prefix=f"{folder.key}{prefix}"))
        while True:
            with self._mapped(prefix):
                if (page := next(pages, None)) is None:
                    return
            for found in page.get("Contents", ()):
                key = str(found["Key"]).removeprefix(folder.key)
                if is_key(key):  # others may have made what is none: folders, by consoles
                    yield KeyInfo(key, int(found["Size"]))

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        place = self._place(key)
        with self._mapped(key):
            self._client.delete_object(Bucket=place.bucket, Key=place.key)

    def create_if_absent(self, key: str, data: bytes) -> bool:
        """See `Store.create_if_absent`: one conditional PutObject."""
        return conditional.create(self._client, self._place(key), data)

    def swap(self, key: str, old: bytes | None, new: bytes) -> bool:
        """See `Store.swap`: a GetObject, and a PutObject on condition of its ETag."""
        if old is None:
            return self.create_if_absent(key, new)
        try:
            found = self._read(key)
        except MissingArtifact:
            return False
        return found.data == old and conditional.replace(self._client, self._place(key), found, new)

    def require_writable(self) -> None:
        """See `Store.require_writable`: a scratch object is written under conditions, and removed."""
        require_conditional_writes(client_of(self.endpoint, patient=False), self.root)

    def _transfers(self) -> Any:
        return TransferManager(self._client, _TRANSFERS, executor_cls=DaemonThreads)

    def _read(self, key: str) -> Body:
        place = self._place(key)
        with self._mapped(key):
            return read_body(self._client, place)

    def _place(self, key: str) -> S3Address:
        require_key(key)
        return self.root.below(key)

    @contextmanager
    def _mapped(self, key: str) -> Iterator[None]:
        try:
            with mapped(f"{self.uri}/{key}"):
                yield
        except MissingArtifact as error:
            raise missing(key, self.uri) from error

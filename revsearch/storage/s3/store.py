"""A store in a bucket. Data under content names; commits are one small conditional PutObject each.

Nothing rests on conditions of multipart uploads, copies or deletes: some servers ignore those without a word.
"""

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from s3transfer.manager import TransferConfig, TransferManager

from revsearch.errors import MissingArtifact, StoreUnavailable
from revsearch.storage.s3.address import S3Address
from revsearch.storage.s3.bodies import Body, read_body
from revsearch.storage.s3.client import Endpoint, client_of
from revsearch.storage.s3.failures import is_without_bucket, mapped, status_of
from revsearch.storage.s3.probe import require_conditional_writes
from revsearch.storage.store import KeyInfo, require_key

_WRITER = "revsearch-writer"  # names in an object's metadata who put it there: tells a lost answer from a lost race
_LOST = (412, 404)  # the precondition failed; 404 is Amazon's answer to If-Match on a key that is not there
_TRIES = 5  # of a conditional put whose answer says neither won nor lost
_TRANSFERS = TransferConfig(multipart_threshold=16 * 2**20, multipart_chunksize=16 * 2**20, max_request_concurrency=8)


@dataclass(frozen=True)
class S3Store:
    """Keys are objects below `root`. Small, and picklable: each process makes its own client."""

    root: S3Address
    endpoint: Endpoint

    @classmethod
    def at(cls, uri: str) -> "S3Store":
        """Open the store at `s3://bucket/prefix`.

        Raises:
            InvalidSpec: where the bucket is not there, or must not be looked at.
            StoreUnavailable: where nobody answers, within seconds.
        """
        store = cls(S3Address.parse(uri), Endpoint.of_environment())
        client, folder = client_of(store.endpoint, patient=False), store.root.folder
        with mapped(store.uri):
            client.list_objects_v2(Bucket=folder.bucket, Prefix=folder.key, MaxKeys=1)
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
        with self._mapped(key):
            self._client.put_object(**self._object(key), Body=data)

    def upload(self, key: str, path: Path) -> None:
        """See `Store.upload`: in parts, where it is large."""
        place = self._object(key)
        with self._mapped(key), TransferManager(self._client, _TRANSFERS) as transfers:
            transfers.upload(str(path), place["Bucket"], place["Key"]).result()

    def download(self, key: str, folder: Path) -> Path:
        """See `Store.download`: a copy, in ranges where it is large."""
        place = self._object(key)
        path = folder / f"{uuid.uuid4().hex}-{key.rpartition('/')[2]}"  # the same key may be there already
        with self._mapped(key), TransferManager(self._client, _TRANSFERS) as transfers:
            transfers.download(place["Bucket"], place["Key"], str(path)).result()
        return path

    def list(self, prefix: str) -> Iterator[KeyInfo]:
        """See `Store.list`."""
        folder = self.root.folder
        lister = self._client.get_paginator("list_objects_v2")
        pages = iter(lister.paginate(Bucket=folder.bucket, Prefix=f"{folder.key}{prefix}"))
        while True:
            with self._mapped(prefix):
                if (page := next(pages, None)) is None:
                    return
            for found in page.get("Contents", ()):
                key = str(found["Key"]).removeprefix(folder.key)
                if all(name and not name.startswith(".") for name in key.split("/")):
                    yield KeyInfo(key, int(found["Size"]))

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        with self._mapped(key):
            self._client.delete_object(**self._object(key))

    def create_if_absent(self, key: str, data: bytes) -> bool:
        """See `Store.create_if_absent`."""
        return self._put_if(key, data, {"IfNoneMatch": "*"})

    def swap(self, key: str, old: bytes | None, new: bytes) -> bool:
        """See `Store.swap`."""
        if old is None:
            return self.create_if_absent(key, new)
        try:
            found = self._read(key)
        except MissingArtifact:
            return False
        return found.data == old and self._put_if(key, new, {"IfMatch": found.etag})

    def require_writable(self) -> None:
        """See `Store.require_writable`: puts and deletes a scratch object."""
        with mapped(self.uri):
            require_conditional_writes(client_of(self.endpoint, patient=False), self.root)

    def _put_if(self, key: str, data: bytes, condition: dict[str, str]) -> bool:
        """Put under a condition, and say whether it was us.

        An answer may get lost on the way and botocore ask again, and be told that somebody was quicker, who is
        ourselves: the object tells. An answer that says neither is asked for again under the same condition.
        """
        writer = uuid.uuid4().hex
        for _ in range(_TRIES - 1):
            try:
                return self._put(key, data, writer, condition)
            except StoreUnavailable:
                if self._writer(key) == writer:
                    return True
        return self._put(key, data, writer, condition)

    def _put(self, key: str, data: bytes, writer: str, condition: dict[str, str]) -> bool:
        with self._mapped(key):
            try:
                self._client.put_object(**self._object(key), Body=data, Metadata={_WRITER: writer}, **condition)
            except ClientError as error:
                if status_of(error) not in _LOST or is_without_bucket(error):
                    raise
                return self._writer(key) == writer
        return True

    def _writer(self, key: str) -> str | None:
        """Return who put what is under a key; None where nothing is there."""
        try:
            with self._mapped(key):
                return str(self._client.head_object(**self._object(key))["Metadata"].get(_WRITER))
        except MissingArtifact:
            return None

    def _read(self, key: str) -> Body:
        place = self._object(key)
        return read_body(self._client, S3Address(place["Bucket"], place["Key"]))

    def _object(self, key: str) -> dict[str, str]:
        require_key(key)
        place = self.root.below(key)
        return {"Bucket": place.bucket, "Key": place.key}

    def _mapped(self, key: str) -> AbstractContextManager[None]:
        return mapped(f"{self.uri}/{key}")

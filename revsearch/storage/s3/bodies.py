"""Bodies of objects, whole or not at all: a client tries a request again, but not a body that breaks off."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from revsearch.errors import StoreUnavailable
from revsearch.storage.s3.address import S3Address
from revsearch.storage.s3.failures import mapped

TRIES = 12  # where 3 of 10 bodies break off, 1 of 2 million fails


@dataclass(frozen=True, slots=True)
class Body:
    """What is under a key, and its ETag, without quotes: radosgw takes it back in no other form."""

    data: bytes
    etag: str
    metadata: Mapping[str, str]


class TooLarge(Exception):
    """An object has more bytes than asked for; none of them was read."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


def read_body(client: Any, address: S3Address, max_bytes: int | None = None) -> Body:
    """Return an object.

    Raises:
        TooLarge: where it has more than `max_bytes`.
        RevsearchError: as `mapped`.
    """
    for _ in range(TRIES - 1):
        try:
            return _read_once(client, address, max_bytes)
        except _BrokenOff:
            continue
    return _read_once(client, address, max_bytes)


class _BrokenOff(StoreUnavailable):
    """An answer began, and its body did not end."""


def _read_once(client: Any, address: S3Address, max_bytes: int | None) -> Body:
    with mapped(str(address)):
        answer = client.get_object(Bucket=address.bucket, Key=address.key)
    size, body = answer.get("ContentLength"), answer["Body"]  # some servers send in chunks, without a length
    try:
        if max_bytes is not None and size is not None and size > max_bytes:
            raise TooLarge(size)
        with mapped(str(address)):
            data = body.read() if size is not None or max_bytes is None else body.read(max_bytes + 1)
    except StoreUnavailable as error:
        raise _BrokenOff(str(error)) from error.__cause__
    finally:
        body.close()
    if max_bytes is not None and len(data) > max_bytes:
        raise TooLarge(len(data))
    return Body(data, answer["ETag"].strip('"'), answer["Metadata"])

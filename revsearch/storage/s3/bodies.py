"""Bodies of objects, whole or not at all: botocore tries a request again, but not a body that breaks off."""

from dataclasses import dataclass
from typing import Any

from revsearch.errors import StoreUnavailable
from revsearch.storage.s3.address import S3Address
from revsearch.storage.s3.failures import mapped

_TRIES = 8  # where 3 of 10 bodies break off, 1 of 15,000 fails


@dataclass(frozen=True, slots=True)
class Body:
    """What is under a key, and its ETag, without quotes: radosgw takes it back in no other form."""

    data: bytes
    etag: str


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
    for attempt in range(1, _TRIES + 1):
        with mapped(str(address)):
            answer = client.get_object(Bucket=address.bucket, Key=address.key)
        size = int(answer["ContentLength"])
        if max_bytes is not None and size > max_bytes:
            answer["Body"].close()
            raise TooLarge(size)
        try:
            with mapped(str(address)):
                return Body(answer["Body"].read(), answer["ETag"].strip('"'))
        except StoreUnavailable:
            answer["Body"].close()
            if attempt == _TRIES:
                raise
    raise AssertionError

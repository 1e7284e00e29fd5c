"""Listing by pages of a thousand keys, the most that S3 gives."""

from collections.abc import Iterator
from typing import Any

from revsearch.errors import StoreUnavailable
from revsearch.storage.s3.address import S3Address
from revsearch.storage.s3.failures import mapped

PAGE = 1_000


def entries(client: Any, prefix: S3Address) -> Iterator[dict[str, Any]]:
    """Yield the objects whose keys begin with that of `prefix`, in the order of their keys.

    Raises:
        RevsearchError: as `mapped`.
    """
    where, more = {"Bucket": prefix.bucket, "Prefix": prefix.key, "MaxKeys": PAGE}, dict[str, str]()
    while True:
        with mapped(str(prefix)):
            page = client.list_objects_v2(**where, **more)
        yield from page.get("Contents", ())
        if not page.get("IsTruncated"):
            return
        if not (token := page.get("NextContinuationToken")):
            raise StoreUnavailable(f"{prefix}: a page says that there are more, and not where they begin; try again")
        more = {"ContinuationToken": token}

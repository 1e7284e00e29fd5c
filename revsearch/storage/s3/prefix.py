"""A prefix of a bucket as the place where images lie; see `roots.Root`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from revsearch.rejects import Reason, Rejection
from revsearch.storage.names import decode_id, is_url, tidied
from revsearch.storage.roots import Facts
from revsearch.storage.s3.address import SCHEME, S3Address, is_s3, root_that_allows
from revsearch.storage.s3.client import Endpoint
from revsearch.storage.s3.images import read_object, require_any
from revsearch.storage.s3.listing import LONGEST_KEY, encode_key, facts_of, list_below
from revsearch.storage.sources import Listing


@dataclass(frozen=True, slots=True)
class Prefix:
    """Locations are keys below `uri`, `s3://bucket/prefix`; below `s3://` they begin with the bucket.

    Keys are written as the ids of files are, so that the same files have the same ids here and in a folder.
    """

    uri: str
    endpoint: Endpoint

    @classmethod
    def at(cls, uri: str) -> Self:
        """Return the root at an address, at the endpoint that this process is configured for.

        Raises:
            InvalidSpec: where it is no address, or that configuration cannot be used.
        """
        return cls(uri if uri == SCHEME else str(S3Address.parse(uri)), Endpoint.of_environment())

    @property
    def is_remote(self) -> bool:
        """Yes: each object is an answer to wait for."""
        return True

    def require_reachable(self, examples: Sequence[str]) -> None:
        """See `Root.require_reachable`: a listing; HEADs of the examples where listing is denied."""
        if self.uri != SCHEME:  # buckets that rows name are the rows' own risk
            known = [address for each in examples if (address := self._address_if_any(each)) is not None]
            require_any(self.endpoint, S3Address.parse(self.uri), known)

    def read(self, location: str, *, max_bytes: int, follow_symlinks: bool = False) -> bytes:  # noqa: ARG002  # no links here
        """See `Root.read`."""
        return read_object(self.endpoint, self._address(location), max_bytes)

    def list(self, *, follow_symlinks: bool) -> Listing:  # noqa: ARG002  # as above
        """See `Root.list`."""
        return list_below(self.endpoint, S3Address.parse(self.uri))

    def facts(self, locations: Sequence[str]) -> Facts:
        """See `Root.facts`."""
        return facts_of(self.endpoint, [self._address_if_any(location) for location in locations])

    def location_of(self, uri: str) -> str:
        """See `Root.location_of`."""
        if is_s3(uri):
            return encode_key(uri.removeprefix(self._base)) if uri.startswith(self._base) else uri
        if is_url(uri) or uri.startswith("/"):
            return uri
        return tidied(uri) or uri

    def uri_of(self, location: str) -> str:
        """See `Root.uri_of`."""
        return location if is_url(location) else self._base + location

    @property
    def _base(self) -> str:
        """What addresses below begin with."""
        return self.uri if self.uri == SCHEME else f"{self.uri}/"

    def _address(self, location: str) -> S3Address:
        """Return the object at a location.

        Raises:
            Rejection: `outside_root`, or `missing` where no key has such a name.
        """
        if is_url(location):
            allowed = root_that_allows(location)
            raise _outside(location, f"expected an address below {self.uri}{allowed}")
        if location.startswith("/") or "\0" in location or ".." in location.split("/"):
            raise _outside(location, f"expected a key below {self.uri}, without .. and NUL")
        try:
            address = S3Address.parse(self._base + decode_id(location).decode())
        except UnicodeError as error:
            raise Rejection(Reason.MISSING, f"{location!r}: no key has such a name: {error}") from error
        if len(address.key.encode()) > LONGEST_KEY:
            raise Rejection(Reason.MISSING, f"{location!r}: no key is longer than {LONGEST_KEY} bytes")
        return address

    def _address_if_any(self, location: str) -> S3Address | None:
        try:
            return self._address(location)
        except Rejection:  # reading it tells
            return None


def _outside(location: str, why: str) -> Rejection:
    return Rejection(Reason.OUTSIDE_ROOT, f"{location!r}: {why}")

"""What lies below a prefix of a bucket, by pages of a thousand keys; no object is asked for."""

import hashlib
import os
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from revsearch.errors import InvalidSpec, StoreUnavailable
from revsearch.storage.names import encode_id
from revsearch.storage.roots import Facts
from revsearch.storage.s3.address import SCHEME, S3Address
from revsearch.storage.s3.client import Endpoint, client_of
from revsearch.storage.s3.failures import mapped
from revsearch.storage.s3.pages import PAGE, entries
from revsearch.storage.sources.listing import Found, Listing
from revsearch.storage.sources.walk import NO_PICTURES

_ASKED_AT_ONCE = 16
LONGEST_KEY = 1_024  # bytes
_ABOVE_ALL = "\U0010ffff"  # sorts after every other character

_Wanted = tuple[str, int]  # a key, and the place of what is known of it


def list_below(endpoint: Endpoint, root: S3Address) -> Listing:
    """List the keys below `root` as a folder with these files would be listed.

    Raises:
        RevsearchError: as `mapped`.
    """
    folder, found, hidden = root.folder, Found(), set[str]()
    for entry in entries(client_of(endpoint), folder):
        key = str(entry["Key"]).removeprefix(folder.key)
        if (name := _hidden(key)) is not None:
            hidden.add(name)
        elif os.path.splitext(key)[1].lower() in NO_PICTURES:  # noqa: PTH122  # a Path a key is slow
            found.ignored += 1
        elif not key.endswith("/") and key:  # a marker of an empty folder
            found.add(encode_key(key), int(entry["Size"]), _version(entry["ETag"]))
    found.ignored += len(hidden)
    return found.listing()


def encode_key(key: str) -> str:
    """Return the id of a key: that of a file with the same name."""
    return key if key.isascii() and "%" not in key else encode_id(key.encode())


def facts_of(endpoint: Endpoint, addresses: Sequence[S3Address | None]) -> Facts:
    """Return size and version of `n` objects; of None, and of what is not there, nothing.

    Where a bucket may not be listed, or is none, versions are never the same twice: nobody knows what changed.
    """
    facts, buckets = Facts.nothing(len(addresses)), defaultdict[str, list[_Wanted]](list)
    for place, address in enumerate(addresses):
        if address is not None:
            buckets[address.bucket].append((address.key, place))
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as threads:
        for bucket, wanted in buckets.items():
            learn = partial(_learn, facts, endpoint, bucket)
            list(threads.map(learn, _in_runs(sorted(wanted))))  # raises what a run raised
    return facts


def _hidden(key: str) -> str | None:
    """Return the path of the hidden file or folder that a key is or lies in; it counts once, as in a folder."""
    if not key.startswith(".") and "/." not in key:
        return None
    end = key.find("/", 1 if key.startswith(".") else key.index("/.") + 1)
    return key if end < 0 else key[:end]


def _version(etag: str) -> int:
    return int.from_bytes(hashlib.sha256(etag.encode()).digest()[:8], "little", signed=True)


def _in_runs(wanted: list[_Wanted]) -> Iterator[list[_Wanted]]:
    size = max(PAGE, -(-len(wanted) // _ASKED_AT_ONCE))
    return (wanted[start : start + size] for start in range(0, len(wanted), size))


def _learn(facts: Facts, endpoint: Endpoint, bucket: str, wanted: list[_Wanted]) -> None:
    """Learn of keys of one bucket, ascending, page by page, each where the next of them would be."""
    client, todo = client_of(endpoint), deque(wanted)
    after = _just_before(todo[0][0])
    try:
        while todo:
            with mapped(f"{SCHEME}{bucket}"):
                page = client.list_objects_v2(Bucket=bucket, StartAfter=after, MaxKeys=PAGE)
            last = _take(page, todo, facts)
            after = max(last, _just_before(todo[0][0])) if todo else last
    except InvalidSpec:
        facts.versions[[place for _, place in todo]] = time.time_ns()


def _take(page: dict[str, Any], todo: deque[_Wanted], facts: Facts) -> str:
    """Take from `todo` what a page tells of, and return the last key of the page."""
    found = {str(entry["Key"]): entry for entry in page.get("Contents", ())}
    ends, last = not page.get("IsTruncated"), max(found, default="")
    if not found and not ends:
        raise StoreUnavailable("a page without keys says that there are more; try again")
    while todo and (ends or todo[0][0] <= last):
        key, place = todo.popleft()
        if (entry := found.get(key)) is not None:
            facts.sizes[place], facts.versions[place] = int(entry["Size"]), _version(entry["ETag"])
    return last


def _just_before(key: str) -> str:
    """Return what sorts before a key, with next to nothing between: pages begin after a key, not at one."""
    before = ord(key[-1]) - 1 if key else 0
    if before < ord(" ") or 0xD800 <= before <= 0xDFFF or len(key.encode()) > LONGEST_KEY - len(_ABOVE_ALL.encode()):
        return key[:-1]
    return key[:-1] + chr(before) + _ABOVE_ALL

"""Files to objects and back: in parts, where they are large, with the same patience for each."""

from pathlib import Path
from typing import Any

from s3transfer.manager import TransferConfig, TransferManager

from revsearch.errors import StoreUnavailable
from revsearch.storage.s3.address import S3Address
from revsearch.storage.s3.bodies import TRIES
from revsearch.storage.s3.failures import is_without_upload, mapped
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


def download(client: Any, address: S3Address, path: Path) -> None:
    """Copy an object into a file, in ranges where it is large.

    Raises:
        RevsearchError: as `mapped`.
    """
    with mapped(str(address)), _manager(client) as transfers:
        transfers.download(address.bucket, address.key, str(path)).result()


def upload(client: Any, path: Path, address: S3Address) -> None:
    """Copy a file into an object, in parts where it is large.

    Raises:
        RevsearchError: as `mapped`.
    """
    path.stat()  # else a file that is not there would be the server's fault
    try:
        _upload(client, path, address)
    except StoreUnavailable as error:
        # Where it was ended by a request whose answer was lost, asking for its end again finds no such upload.
        if not is_without_upload(error.__cause__):
            raise
        _upload(client, path, address)


def _upload(client: Any, path: Path, address: S3Address) -> None:
    with mapped(str(address)), _manager(client) as transfers:
        transfers.upload(str(path), address.bucket, address.key).result()


def _manager(client: Any) -> TransferManager:
    return TransferManager(client, _TRANSFERS, executor_cls=DaemonThreads)

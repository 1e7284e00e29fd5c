"""The weights file of a neural encoder on this machine, from a folder, a bucket, torch's cache or the web."""

import logging
import os
import tempfile
from dataclasses import replace
from pathlib import Path

from revsearch.model.names import EncoderName
from revsearch.model.weights import cache_folder, file_name, find_weights, require_hash
from revsearch.storage.files import kept_copy, kind_at, local_copy
from revsearch.storage.s3.address import S3Address, is_s3

_LOG = logging.getLogger(__name__)


def weights_file(name: EncoderName) -> Path:
    """Return the file of learned weights; what lies in a bucket is fetched once, into torch's cache.

    Raises:
        InvalidSpec: where there is no such file.
        CorruptArtifact: where torchvision's file is not what its name says.
        RevsearchError: where a bucket is not to be had.
    """
    folder = os.environ.get("REVSEARCH_WEIGHTS")
    if name.file is not None:
        if is_s3(name.file):
            name = replace(name, file=str(kept_copy(name.file, cache_folder())))
    elif folder and is_s3(folder):
        _fetch(S3Address.parse(folder).below(file_name(name)))
    return find_weights(name, None if folder is None or is_s3(folder) else Path(folder))


def _fetch(address: S3Address) -> None:
    """Put a file of torchvision's into torch's cache, where it would be looked for next; nothing where it is there."""
    cache = cache_folder()
    kept = cache / address.key.rpartition("/")[2]
    if kept.is_file():
        return
    if kind_at(str(address)) != "file":
        _LOG.warning("%s: no such object; looking elsewhere", address)
        return
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".revsearch-", dir=cache) as scratch:
        path = local_copy(str(address), Path(scratch))
        require_hash(path, str(address))
        path.replace(kept)

"""What every worker of an embedding job is told."""

from dataclasses import dataclass

from revsearch.space import EmbeddingSpace
from revsearch.specs import Precision, StoreDtype
from revsearch.stages.row_reader import RowReader
from revsearch.storage.artifact import Draft
from revsearch.storage.store import Store


@dataclass(frozen=True)
class EmbedWork:
    """All a worker must know; small, and the same for every worker of a job."""

    store: Store
    draft: Draft
    manifest: str
    reader: RowReader
    space: EmbeddingSpace
    precision: Precision
    store_dtype: StoreDtype
    allow_truncated: bool
    batch_size: int
    device: str
    threads: int
    image_timeout_s: float

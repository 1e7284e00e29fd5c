"""Lists of images (.csv .tsv .jsonl .parquet), read in blocks, every broken row accounted for."""

from revsearch.storage.tables.block import TableBlock
from revsearch.storage.tables.list_file import ListFile
from revsearch.storage.tables.read import read_table

__all__ = ["ListFile", "TableBlock", "read_table"]

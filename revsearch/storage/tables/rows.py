"""What every format of list gives: rows as columns of text, with their line numbers, and the rows that are broken."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

BLOCK_ROWS = 65_536
BLOCK_CHARS = 2**26  # a block of long rows closes here, so that memory is bounded
_AT_ONCE = 512  # rows
MAX_COLUMNS = 256  # a list with more is no list of images; each costs memory for every row of a block

Cells = list[str | None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that cannot be read: its line (in Parquet: its row), and why."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Rows:
    """A block of a list as it was written.

    Attributes:
        lines: where each row begins, from 1, a header included; in Parquet the row's number. `[n]`.
        columns: text, or None where a value is missing, by column name; each `[n]`.
        broken: the rows that are not among the `n`.
    """

    lines: list[int]
    columns: dict[str, Cells]
    broken: list[Broken] = field(default_factory=list)


Add = Callable[["Rows", list[tuple[int, T]]], None]  # appends records and the lines where they begin


def in_blocks(records: Iterator[tuple[int, T] | Broken], chars_read: Callable[[], int], add: Add[T]) -> Iterator[Rows]:
    """Yield `records` in blocks of `BLOCK_ROWS`, shorter where `BLOCK_CHARS` characters were read for them.

    Records become columns a few at a time: many small lists alive would keep the garbage collector busy.
    """
    while True:
        rows, began = Rows([], {}), chars_read()
        while len(rows.lines) + len(rows.broken) < BLOCK_ROWS and chars_read() - began < BLOCK_CHARS:
            some = list(islice(records, _AT_ONCE))
            if not some:
                break
            rows.broken.extend(record for record in some if isinstance(record, Broken))
            good = [record for record in some if not isinstance(record, Broken)]
            rows.lines.extend(line for line, _ in good)
            add(rows, good)
        if not rows.lines and not rows.broken:
            return
        yield rows

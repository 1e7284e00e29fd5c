"""Lines of a text file, counted, that a broken record can give back."""

from collections import deque
from collections.abc import Iterator


class Lines:
    """Hand out lines; the record in hand is what was handed out since it was last taken or given up."""

    def __init__(self, source: Iterator[str]) -> None:
        self._source = source
        self._again: deque[str] = deque()
        self._record: list[str] = []
        self._number = 1
        self._chars = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._source)
        self._record.append(line)
        self._chars += len(line)
        return line

    def take(self) -> int:
        """Be done with the record in hand; return the number of the line where it began."""
        began = self._number
        self._number += len(self._record)
        self._record.clear()
        return began

    def give_up(self) -> int:
        """Be done with the first line of the record in hand, and hand out the others again; return its number."""
        self._again.extendleft(reversed(self._record[1:]))
        del self._record[1:]
        return self.take()

    def chars_read(self) -> int:
        """Return how many characters were handed out so far."""
        return self._chars

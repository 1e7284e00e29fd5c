"""How long one image may take: a decoder that hangs in C is ended in no other way than by its process."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Let the system end this worker if the block takes longer.

    The driver sees a dead worker, and finds the row by itself.
    """
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)

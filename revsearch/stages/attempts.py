"""Doing something with each row of a block, where a row that fails for its place may succeed when tried again."""

from collections.abc import Callable

from revsearch.rejects import TRIES, Rejection

Failure = tuple[Rejection, int]  # and the attempt at which it was given


def attempt_rows(n_rows: int, do: Callable[[int], None]) -> list[Failure | None]:
    """Call `do` with each place `0..n_rows - 1`; return why each was rejected, or None.

    Transient ones are tried once more after all the others: what was away may be back by then.
    """
    failures: list[Failure | None] = [None] * n_rows
    todo = list(range(n_rows))
    for attempt in range(1, TRIES + 1):
        for place in todo:
            failures[place] = None
            try:
                do(place)
            except Rejection as rejection:
                failures[place] = (rejection, attempt)
        todo = [place for place in todo if (failure := failures[place]) is not None and failure[0].reason.transient]
    return failures

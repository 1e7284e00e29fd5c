"""Rejects as pages show them: by reason, with some of each."""

from collections import defaultdict
from collections.abc import Iterable

from revsearch.rejects import Reject
from revsearch.render.report import RejectRow

_EXAMPLES = 3  # of each reason


def reject_rows(rejects: Iterable[Reject]) -> tuple[RejectRow, ...]:
    """Return a row a reason, most frequent first, ties by name."""
    by_reason: dict[str, list[Reject]] = defaultdict(list)
    for reject in rejects:
        by_reason[reject.reason].append(reject)
    rows = [
        RejectRow(reason, len(found), tuple((reject.id, reject.message) for reject in found[:_EXAMPLES]))
        for reason, found in by_reason.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.count, row.reason)))

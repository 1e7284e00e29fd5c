"""Rows that fail for their place are tried twice, others once."""

from revsearch.rejects import Reason, Rejection
from revsearch.stages.attempts import attempt_rows


class Rows:
    """Fails as it is told: reasons by place, one a try."""

    def __init__(self, failing: dict[int, list[Reason]]) -> None:
        self.failing, self.calls = failing, list[int]()

    def __call__(self, place: int) -> None:
        self.calls.append(place)
        if self.failing.get(place):
            raise Rejection(self.failing[place].pop(0), f"place {place}")


def outcomes(rows: Rows, n: int) -> list[tuple[Reason, int] | None]:
    return [failure and (failure[0].reason, failure[1]) for failure in attempt_rows(n, rows)]


def test_transient_ones_are_tried_again_after_all_others() -> None:
    rows = Rows({0: [Reason.MISSING], 1: [Reason.CORRUPT], 2: [Reason.MISSING, Reason.PERMISSION]})
    assert outcomes(rows, 4) == [None, (Reason.CORRUPT, 1), (Reason.PERMISSION, 2), None]
    assert rows.calls == [0, 1, 2, 3, 0, 2]


def test_nothing_to_do() -> None:
    assert outcomes(Rows({}), 0) == []

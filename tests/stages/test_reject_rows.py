"""Rejects as pages show them."""

from revsearch.rejects import Reason, Reject
from revsearch.render.report import RejectRow
from revsearch.stages.reject_rows import reject_rows


def reject(number: int, reason: Reason) -> Reject:
    return Reject(f"{number}.png", f"/in/{number}.png", "scan", reason, f"why {number}")


def test_no_rejects_give_no_rows() -> None:
    assert reject_rows([]) == ()


def test_reasons_come_by_frequency_then_name_each_with_its_first_three() -> None:
    reasons = [Reason.TRUNCATED, Reason.EMPTY, *[Reason.CORRUPT] * 5, Reason.MISSING, Reason.EMPTY, Reason.TRUNCATED]
    rejects = [reject(number, reason) for number, reason in enumerate(reasons)]
    assert reject_rows(iter(rejects)) == (
        RejectRow("corrupt", 5, (("2.png", "why 2"), ("3.png", "why 3"), ("4.png", "why 4"))),
        RejectRow("empty", 2, (("1.png", "why 1"), ("8.png", "why 8"))),
        RejectRow("truncated", 2, (("0.png", "why 0"), ("9.png", "why 9"))),
        RejectRow("missing", 1, (("7.png", "why 7"),)),
    )


def test_counts_add_up_to_all_rejects() -> None:
    rejects = [reject(number, reason) for number, reason in enumerate(list(Reason) * 3)]
    rows = reject_rows(rejects)
    assert sum(row.count for row in rows) == len(rejects)
    assert {row.reason for row in rows} == {reason.value for reason in Reason}
    assert [row.reason for row in rows] == sorted(row.reason for row in rows)

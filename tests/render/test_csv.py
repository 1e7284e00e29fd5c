import csv
import io

import pytest

from revsearch.render.csv import csv_cell, write_csv


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-rf", "@SUM(A1)", "\tx", "\rx"])
def test_text_that_would_be_a_formula_is_quoted(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


@pytest.mark.parametrize(
    ("value", "text"), [("a=b", "a=b"), ("", ""), (None, ""), (-0.5, "-0.5"), (3, "3"), ("'x", "'x")]
)
def test_other_cells_stay(value: str | float | None, text: str) -> None:
    assert csv_cell(value) == text


def test_a_table_reads_back() -> None:
    names = ['quote "x"', "comma, here", "new\nline", "=1+1"]
    text = write_csv(["class", "hit_rate_at_1"], [(name, 0.1) for name in names])
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows == [["class", "hit_rate_at_1"], *([csv_cell(name), "0.1"] for name in names)]

import io

import pytest

from revsearch.errors import InvalidSpec
from revsearch.truth import Truth, parse_truth, parse_truth_csv, parse_truth_jsonl


def lines(text: str) -> io.StringIO:
    return io.StringIO(text, newline="")


def test_jsonl_gives_relevant_hard_and_junk_in_order() -> None:
    text = '{"query": "a", "relevant": ["x", "y"], "hard": ["h"], "junk": ["j"]}\n\n{"query": "b", "relevant": []}\n'
    assert parse_truth_jsonl(lines(text)) == {"a": Truth(("x", "y"), ("h",), ("j",)), "b": Truth(())}


def test_hard_ones_are_right_answers() -> None:
    assert Truth(("x",), ("h",), ("j",)).positives == ("x", "h")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_adds_up_rows_and_ignores_other_columns(end: str) -> None:
    text = end.join(["\ufeffquery,relevant,change", "a,x,crop", "b,z,flip", "a,y,grey", "a,x,again", ""])
    assert parse_truth_csv(lines(text)) == {"a": Truth(("x", "y")), "b": Truth(("z",))}


def test_csv_ids_may_hold_commas_quotes_and_line_ends() -> None:
    assert parse_truth_csv(lines('query,relevant\n"a,1","x\n""2"""\n')) == {"a,1": Truth(('x\n"2"',))}


def test_lines_of_one_query_add_up_in_jsonl() -> None:
    text = '{"query": "a", "relevant": ["x"]}\r\n{"query": "a", "relevant": ["y", "x"], "junk": ["j"]}'
    assert parse_truth_jsonl(lines(text)) == {"a": Truth(("x", "y"), (), ("j",))}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"query": "a", "relevant": ["x"]}\n{"query": "b"', "line 2: expected a JSON object"),
        ("[" * 100_000, "line 1: expected a JSON object"),
        ("[1]", "line 1: expected"),
        ('{"query": 7, "relevant": []}', "line 1: expected"),
        ('{"query": "a"}', "line 1: expected"),
        ('{"query": "a", "relevant": "x"}', "line 1: expected a list of ids in 'relevant', found 'x'"),
        ('{"query": "a", "relevant": [1]}', "line 1: expected a list of ids"),
        ('{"query": "a", "relevant": [], "junks": ["x"]}', "unknown field 'junks'; did you mean junk?"),
        ('{"query": "a", "relevant": ["x"]}\n{"query": "a", "relevant": [], "junk": ["x"]}', "line 2: query 'a' has"),
        ("\n", "expected at least one query"),
    ],
)
def test_broken_jsonl_names_the_line(text: str, said: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_truth_jsonl(lines(text))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: expected a column 'query', found []"),
        ("query,relevent\na,x\n", "expected a column 'relevant', found ['query', 'relevent']; did you mean relevent?"),
        ("query,relevant\na,x\nb\n", "line 3: expected 2 fields"),
        ("query,relevant\na,x,y\n", "line 2: expected 2 fields"),
        ('query,relevant\na,"x\n', "line 2: unexpected end of data"),
        ("query,relevant\n", "expected at least one query"),
    ],
)
def test_broken_csv_names_the_line(text: str, said: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_truth_csv(lines(text))
    assert said in str(caught.value)


def test_the_suffix_says_the_format() -> None:
    assert parse_truth("t/truth.CSV", lines("query,relevant\na,x\n")) == {"a": Truth(("x",))}
    assert parse_truth("truth.jsonl", lines('{"query": "a", "relevant": ["x"]}')) == {"a": Truth(("x",))}
    with pytest.raises(InvalidSpec, match=r"expected \.jsonl or \.csv, found \.txt"):
        parse_truth("truth.txt", lines(""))

import pytest

from revsearch.storage.tables.lines import Lines


def test_a_record_taken_is_left_behind() -> None:
    lines = Lines(iter(["a\n", "b\n", "c\n"]))
    assert [next(lines), next(lines)] == ["a\n", "b\n"]
    assert lines.take() == 1
    assert next(lines) == "c\n"
    assert lines.take() == 3


def test_a_record_given_up_is_handed_out_again_from_its_second_line() -> None:
    lines = Lines(iter(["a", "b", "c", "d"]))
    assert [next(lines), next(lines), next(lines)] == ["a", "b", "c"]
    assert lines.give_up() == 1
    assert [next(lines), next(lines)] == ["b", "c"]
    assert lines.give_up() == 2
    assert list(lines) == ["c", "d"]
    assert lines.take() == 3


def test_lines_go_on_after_their_end_was_given_back() -> None:
    lines = Lines(iter(["a", "b"]))
    assert list(lines) == ["a", "b"]
    lines.give_up()
    assert list(lines) == ["b"]
    lines.take()
    with pytest.raises(StopIteration):
        next(lines)
    assert lines.chars_read() == 3

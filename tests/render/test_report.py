import pytest

from revsearch.errors import InvalidSpec
from revsearch.render.report import ClassRow, ClassTable, HitCurve, ScoreHistogram, Summary, Tile


def test_counts_must_add_up() -> None:
    with pytest.raises(InvalidSpec, match="10 images in, but 8 ok and 1 rejected"):
        Summary(10, 8, 1)


def test_a_class_has_a_value_a_column() -> None:
    with pytest.raises(InvalidSpec, match="'cat' has 1 values, not 2"):
        ClassTable(("a", "b"), (ClassRow("cat", 3, (0.5,)),))


@pytest.mark.parametrize(("ks", "values"), [((), ()), ((1, 2), (0.5,))])
def test_a_curve_has_a_value_a_k(ks: tuple[int, ...], values: tuple[float, ...]) -> None:
    with pytest.raises(InvalidSpec, match="hit curve"):
        HitCurve(ks, values)


@pytest.mark.parametrize(("others", "matches"), [((), None), ((1,), None), ((1, 2), (1,))])
def test_a_histogram_has_a_count_between_edges(others: tuple[int, ...], matches: tuple[int, ...] | None) -> None:
    with pytest.raises(InvalidSpec, match="histogram"):
        ScoreHistogram((0.0, 0.5, 1.0), others, matches)


def test_a_caption_is_the_label_or_the_name() -> None:
    assert [Tile("a/b.jpg").caption, Tile("a/b.jpg", "cat").caption] == ["b.jpg", "cat"]

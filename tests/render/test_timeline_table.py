import pytest

from revsearch.render.report import StageTimeline
from revsearch.render.timeline_table import bottleneck, timeline_rows
from revsearch.timeline import Span, Timeline

BEGAN = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC


def stage(name: str, began: float, seconds: dict[str, float], n_workers: int = 2) -> StageTimeline:
    """A stage of ten seconds."""
    timeline = Timeline.of([Span(began, began + 10, seconds)]).merged(Timeline.idle(began, began + 10, n_workers))
    return StageTimeline(name, timeline)


def test_one_row_a_stage_in_the_order_they_began() -> None:
    late, early = stage("embed", BEGAN + 20, {"embed": 8.0}), stage("manifest", BEGAN, {"fetch": 1.0})
    rows = timeline_rows([late, early])
    assert [row.name for row in rows] == ["manifest", "embed"]
    assert (rows[0].made, rows[0].wall_s, rows[0].workers) == ("2023-11-14 22:13:30", 10, 2)


def test_shares_are_of_all_workers_time_largest_first() -> None:
    (row,) = timeline_rows([stage("embed", BEGAN, {"fetch": 2.0, "embed": 7.0, "write": 0.01})])
    assert dict(row.shares) == pytest.approx({"wait": 10.99 / 20, "embed": 7 / 20, "fetch": 2 / 20})
    assert [step for step, _ in row.shares] == ["wait", "embed", "fetch"]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("embed", "78 % of the workers' time in the forward pass"),
        ("fetch", "78 % of the workers' time waiting for bytes"),
        ("polish", "78 % of the workers' time in polish"),
    ],
)
def test_the_bottleneck_is_said_in_words(step: str, said: str) -> None:
    (row,) = timeline_rows([stage("embed", BEGAN, {step: 7.8}, n_workers=1)])
    assert row.bottleneck == said
    assert bottleneck([row]) == f"embed: {said}."


def test_of_several_stages_the_longest_is_told_of() -> None:
    stages = [stage("manifest", BEGAN, {"fetch": 9.0}, 1), stage("embed", BEGAN + 10, {"embed": 19.0})]
    longer = Timeline.idle(BEGAN + 10, BEGAN + 30, 0)
    stages[1] = StageTimeline("embed", stages[1].timeline.merged(longer))
    assert (
        bottleneck(timeline_rows(stages))
        == "embed took 20.0 s of 30.0 s: 95 % of the workers' time in the forward pass."
    )


def test_a_stage_that_took_no_time() -> None:
    (row,) = timeline_rows([StageTimeline("rank", Timeline.idle(BEGAN, BEGAN))])
    assert row.shares == (("wait", 0.0),)
    assert bottleneck([row]) == "rank: 0 % of the workers' time waiting for work."

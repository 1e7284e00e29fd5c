import io

import numpy as np
import pytest
from PIL import Image

from revsearch.render.canvas import Plot
from revsearch.render.report import StageTimeline
from revsearch.render.timeline_plot import place, plot_timeline, tell_time
from revsearch.timeline import Span, Timeline

BEGAN = 1_700_000_000.0


def stage(name: str, began: float, wall_s: float, **seconds: float) -> StageTimeline:
    timeline = Timeline.of([Span(began, began + wall_s, seconds)]) if seconds else Timeline.idle(began, began)
    return StageTimeline(name, timeline.merged(Timeline.idle(began, began + wall_s, 2)))


RUN = [
    stage("manifest", BEGAN, 4, list=1.0, fetch=2.0),
    stage("embed", BEGAN + 4.5, 60, fetch=10.0, decode=20.0, embed=50.0),
    stage("rank", BEGAN + 65, 2, rank=1.5, write=0.1),
]


def pixels(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.mode) == ("PNG", "RGBA")
    return np.asarray(image)


def share_of(plot: Plot, colour: str) -> float:
    """The share of the picture that has a colour."""
    wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
    light = pixels(plot.light)
    return float((np.abs(light[..., :3].astype(int) - wanted).max(axis=-1) < 3).mean())


def test_it_is_drawn_for_light_and_dark_pages() -> None:
    drawn = plot_timeline(RUN)
    light, dark = pixels(drawn.light), pixels(drawn.dark)
    assert light.shape == dark.shape
    assert light.shape[1] == 2280
    assert light[0, 0, 3] == 0, "the page shows through"
    assert not np.array_equal(light, dark)
    assert plot_timeline(RUN) == drawn, "equal figures are equal bytes"


def test_areas_are_seconds() -> None:
    drawn = plot_timeline([stage("embed", BEGAN, 60, fetch=12.0, embed=60.0)])
    assert share_of(drawn, "#0072B2") / share_of(drawn, "#56B4E9") == pytest.approx(5, rel=0.1)


def test_those_who_do_not_see_it_are_told() -> None:
    alt = plot_timeline(RUN).alt
    assert "embed: 1 min 00 s, 42 % of the workers' time in the forward pass." in alt.replace("60.0 s", "1 min 00 s")
    assert "manifest: 4.0 s" in alt


def test_stages_of_a_run_stand_where_they_were() -> None:
    assert [(each.name, each.offset, each.pause_s) for each in place(RUN)] == [
        ("manifest", 0.0, 0.0),
        ("embed", 4.5, 0.0),
        ("rank", 65.0, 0.0),
    ]


def test_a_pause_of_days_is_cut_out() -> None:
    days = 86_400 * 3
    old = [RUN[0], stage("embed", BEGAN + days, 60, embed=50.0)]
    first, second = place(old)
    assert second.pause_s == days - 4
    assert first.end < second.offset < 10
    assert "embed" in plot_timeline(old).alt


def test_stages_side_by_side_in_time_are_drawn_one_after_another() -> None:
    one, two, three = (stage(name, BEGAN, 10, embed=5.0) for name in "abc")
    assert [each.offset for each in place([one, two, three])] == [0, 10, 20]


def test_what_took_no_time_is_drawn_too() -> None:
    assert plot_timeline([StageTimeline("rank", Timeline.idle(BEGAN, BEGAN))]).light


def test_a_page_without_timelines_is_told_nothing() -> None:
    assert tell_time([]) is None
    told = tell_time(RUN)
    assert told is not None
    assert [row.name for row in told.rows] == ["manifest", "embed", "rank"]

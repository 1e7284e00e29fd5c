import io

import numpy as np
import pytest
from PIL import Image

from revsearch.render.canvas import Plot
from revsearch.render.plots import plot_histogram, plot_hit_curve
from revsearch.render.report import HitCurve, ScoreHistogram


def pixels(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.mode) == ("PNG", "RGBA")
    return np.asarray(image)


def check(plot: Plot) -> None:
    light, dark = pixels(plot.light), pixels(plot.dark)
    assert light.shape == dark.shape == (620, 1120, 4)
    assert light[0, 0, 3] == 0, "the page shows through"
    assert len(np.unique(light[..., 3])) > 10, "something is drawn"
    assert not np.array_equal(light, dark)


@pytest.mark.parametrize("curve", [HitCurve((1, 5, 10), (0.5, 0.8, 1.0)), HitCurve((1,), (0.0,))])
def test_hit_curve(curve: HitCurve) -> None:
    plot = plot_hit_curve(curve)
    check(plot)
    assert plot_hit_curve(curve) == plot, "equal figures are equal bytes"
    assert f"{curve.values[0]:.3f} at 1" in plot.alt


def test_histogram_of_two_groups() -> None:
    plot = plot_histogram(ScoreHistogram((0.0, 0.5, 1.0), (30, 10), (0, 40)))
    check(plot)
    assert plot.alt == ("Histogram of scores. Relevant: 40, mean score about 0.750. Wrong: 40, mean score about 0.375.")


def test_histogram_without_truth() -> None:
    plot = plot_histogram(ScoreHistogram((-1.0, 0.0), (3,)))
    check(plot)
    assert plot.alt == "Histogram of scores. Neighbours: 3, mean score about -0.500."


def test_histogram_of_nothing_found() -> None:
    plot = plot_histogram(ScoreHistogram((0.0, 1.0), (3,), (0,)))
    check(plot)
    assert "Relevant: none." in plot.alt

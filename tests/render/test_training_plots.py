import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from revsearch.render.canvas import LIGHT, Panel, draw, new_figure
from revsearch.render.training_plots import training_curves_png, training_panels
from revsearch.training import Health, History, Validation


def drawn(panel: Panel) -> Axes:
    axes = new_figure(5, 3).add_subplot()
    draw(panel, axes, LIGHT)
    return axes


def line(panel: Panel, label: str) -> np.ndarray:
    """The points of a line by its name, `[n, 2]`."""
    (found,) = (one for one in drawn(panel).lines if one.get_label() == label)
    return np.asarray(found.get_xydata())


def by_title(history: History) -> dict[str, Panel]:
    return {panel.title: panel for panel in training_panels(history)}


def test_what_is_drawn_of_a_full_run(history: History) -> None:
    assert list(by_title(history)) == [
        "hit_rate_at_1, validation",
        "ap_plain, validation",
        "Loss a step",
        "Terms of the loss",
        "Does it learn",
        "Learning rate",
    ]


def test_validation_begins_at_the_start_and_stars_the_best(history: History) -> None:
    panel = by_title(history)["ap_plain, validation"]
    trained = [0.4 + 0.1 - 0.02 * abs(epoch - 4) for epoch in range(1, 9)]
    np.testing.assert_allclose(line(panel, "trained weights"), list(enumerate([0.4, *trained])))
    np.testing.assert_allclose(line(panel, "handed out"), [[4, 0.5]])
    np.testing.assert_allclose(line(panel, "start, 0.4")[:, 1], 0.4)
    assert line(panel, "50% of the way").shape == (9, 2)
    assert panel.alt == "ap_plain of the candidates on the validation rows: start 0.4, handed out 0.5 of epoch 4."


@pytest.mark.parametrize("n", [1, 29, 600, 100_001])
def test_smoothed_losses_are_the_mean_of_the_last_steps(n: int, history: History) -> None:
    losses = np.random.default_rng(n).random(n)
    panel = by_title(replace(history, losses=tuple(losses)))["Loss a step"]
    window = max(1, n // 30)
    points = line(panel, f"mean of {window} steps")
    assert len(points) <= 2000
    for step, value in points[:: max(1, len(points) // 50)]:
        assert value == pytest.approx(losses[max(0, int(step) - window) : int(step)].mean(), abs=1e-9)


def test_what_a_preset_does_not_have_is_not_drawn(history: History) -> None:
    epochs = tuple(replace(record, parts={"mse": 1.0}, health=Health(0.5)) for record in history.epochs)
    panels = by_title(replace(history, epochs=epochs))
    assert "Terms of the loss" not in panels
    assert [each.get_label() for each in drawn(panels["Does it learn"]).lines] == ["spread of embeddings"]


def test_a_figure_that_some_epochs_lack_leaves_a_gap(history: History) -> None:
    first = replace(history.epochs[0], health=Health(0.5, active_share=None))
    panel = by_title(replace(history, epochs=(first, *history.epochs[1:])))["Does it learn"]
    active = line(panel, "active triplets or pairs")[:, 1]
    assert np.isnan(active).tolist() == [True] + [False] * 7


def test_a_run_that_did_no_step_has_no_curves() -> None:
    assert training_panels(History(Validation(0, 0.0, {"loss": 1.0}, -1.0))) == []


def test_all_curves_on_one_picture(history: History) -> None:
    png = training_curves_png(history)
    image = Image.open(io.BytesIO(png))
    assert image.size == (2240, 3 * 620)
    pixels = np.asarray(image.convert("RGBA"))
    assert (pixels[..., 3] == 255).all(), "on white, not on what is behind it"
    assert pixels[0, 0].tolist() == [255, 255, 255, 255]
    assert training_curves_png(history) == png, "equal runs are equal bytes"

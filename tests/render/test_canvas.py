import io

import numpy as np
from PIL import Image

from revsearch.render.canvas import DARK, LIGHT, Panel, new_figure, plot, png

PANEL = Panel("a title", "in words", lambda axes, theme: axes.plot([0, 1], color=theme.colours[0], linewidth=8))


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


def test_a_plot_has_the_colours_of_its_page() -> None:
    drawn = plot(PANEL)
    assert (drawn.title, drawn.alt) == ("a title", "in words")
    for data, theme in ((drawn.light, LIGHT), (drawn.dark, DARK)):
        colour = [int(theme.colours[0][at : at + 2], 16) for at in (1, 3, 5)]
        assert (pixels(data)[..., :3] == colour).all(axis=2).mean() > 0.005
        assert pixels(data)[0, 0, 3] == 0, "the page shows through"


def test_on_white_where_asked() -> None:
    assert pixels(png(new_figure(1, 1), transparent=False))[0, 0].tolist() == [255] * 4
    assert pixels(png(new_figure(1, 1), transparent=True))[0, 0, 3] == 0

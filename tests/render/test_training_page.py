import base64
import io
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from PIL import Image

from revsearch.render.training_page import render_training
from revsearch.render.training_report import TrainingReport
from revsearch.training import History, Validation

Parse = Callable[[str], Any]


def squeezed(html: str, parse: Parse) -> str:
    return re.sub(r"\s+", " ", parse(html).texts["body"])


def rows(html: str, table: str) -> list[str]:
    """The text of every row of the tables of a kind."""
    tables = re.findall(rf'<table class="{table}">.*?<tbody>(.*?)</tbody>', html, re.DOTALL)
    return [
        re.sub(r"\s+", " ", re.sub("<[^>]*>", "|", row)) for text in tables for row in re.findall("<tr.*?</tr>", text)
    ]


def test_the_page_says_what_the_run_gave(training_html: str, parse: Parse) -> None:
    text = squeezed(training_html, parse)
    for said in (
        "Handed out: epoch 4. hit_rate_at_1 0.800, start 0.700 (+0.100) ap_plain 0.500, start 0.400 (+0.100)",
        "95 %: 0.750 – 0.850 · 431 queries +0.100 from 0.700 of the start",
        "before: the start",
        "after: what is handed out",
        "anchor",
        "negative",
        "1,335 images in",
    ):
        assert said in text


def test_all_sections_are_there(training_html: str) -> None:
    assert re.findall(r"<h2>(.*?)</h2>", training_html) == [
        "Reconstructions",
        "Neighbours before and after",
        "Candidates",
        "Triplets before the first step",
        "Epoch by epoch",
        "Rejected images",
        "Where the time went",
        "How it was made",
    ]


def test_candidates_come_best_first_after_the_start(training_html: str) -> None:
    found = rows(training_html, "candidates")
    assert len(found) == 1 + 2 * 8, "none is left out by folding"
    assert "start" in found[0]
    assert "epoch 4" in found[1]
    assert "handed out" in found[1]
    assert sum("handed out" in row for row in found) == 1
    compared = [float(re.findall(r"0\.\d+", row)[-1]) for row in found[1:]]
    assert compared == sorted(compared, reverse=True)


def test_every_epoch_has_its_row(training_html: str) -> None:
    found = rows(training_html, "epochs")
    assert len(found) == 8
    for told in (
        "|10|",
        "|0.5|",
        "|0.45|",
        "|0.05|",
        "|5e-05|",
        "|2.5|",
        "|0.900|",
        "|812.2|",
        "|0.250|",
        "|1,200|",
        "|8.0 s|",
    ):
        assert told in found[1]


def test_a_mixed_candidate_says_how_far_it_lies(training: TrainingReport, parse: Parse) -> None:
    start, half = training.history.start, Validation(2, 0.5, {"hit_rate_at_1": 0.69, "ap_plain": 0.45}, 0.45)
    record = replace(training.history.epochs[1], validations=(half,))
    text = squeezed(render_training(replace(training, history=History(start, (record,), (0.3,)))), parse)
    assert "epoch 2, 50 % of the way from the start's weights to the trained ones." in text
    assert "hit_rate_at_1 0.690, start 0.700 (−0.010)" in text


def test_where_training_was_in_vain_the_page_says_so(training: TrainingReport, parse: Parse) -> None:
    worse = Validation(1, 1.0, {"hit_rate_at_1": 0.6, "ap_plain": 0.3}, 0.3)
    record = replace(training.history.epochs[0], validations=(worse,))
    html = render_training(replace(training, history=History(training.history.start, (record,), (0.3,))))
    assert "No candidate was better than the start" in squeezed(html, parse)
    assert "handed out" in rows(html, "candidates")[0]


def test_a_run_without_labels(unlabelled_training: TrainingReport, parse: Parse) -> None:
    html = render_training(unlabelled_training)
    assert re.findall(r"<h2>(.*?)</h2>", html) == ["Candidates", "Epoch by epoch"]
    text = squeezed(html, parse)
    assert "mse 0.125, start 0.25 (−0.125)" in text
    assert '<b class="up">−0.125</b>' in html, "an error is to fall"
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", html)
    assert captions == ["mse, validation", "Loss a step", "Does it learn", "Learning rate"]


def test_every_picture_decodes_and_is_described(training_html: str, parse: Parse) -> None:
    page = parse(training_html)
    pictures = [tag["src"] for tag in page.tags("img")] + [tag["srcset"] for tag in page.tags("source")]
    n_tiles = 9 * (1 + 2 * 3) + 2 * 3  # a query and three neighbours with a preview twice; two triplets
    assert len(pictures) == n_tiles + 1 + 2 * 6, "a strip, six plots in two themes"
    for picture in pictures:
        kind, data = str(picture).removeprefix("data:image/").split(";base64,")
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        image.load()
        assert image.format == kind.upper()
    assert all(tag["alt"] for tag in page.tags("img"))


def test_positive_and_negative_differ_by_more_than_colour(training_html: str, parse: Parse) -> None:
    style = parse(training_html).texts["style"]
    assert re.search(r"\.negative \.frame[^}]*dashed", style)

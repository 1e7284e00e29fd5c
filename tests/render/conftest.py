import io
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from revsearch.render.page import render_report
from revsearch.render.report import (
    ClassRow,
    ClassTable,
    HitCurve,
    Metric,
    RejectRow,
    Report,
    ScoreHistogram,
    Sheet,
    Summary,
    Tile,
)
from revsearch.render.strips import reconstruction_png
from revsearch.render.training_page import render_training
from revsearch.render.training_report import BeforeAfter, TrainingReport, Triplet, View
from revsearch.training import EpochRecord, Health, History, Validation

HOSTILE = [
    "<script>alert(1)</script>",
    '" onerror="alert(1)',
    "' onload='alert(1)",
    "--></style><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "https://example.org/x.png",
    "//example.org/x.png",
    "a\u202egpj.exe",
    "new\nline\r\x1b[31m",
    "{{ 7 * 7 }} {% raw %}",
    "😀",
    "%2e%2e",
    "x" * 255,
    "byte\udcff",
    "$\\frac{1}{2}$",
]
VOID = {"meta", "img", "wbr", "source", "rect"}


class Page(HTMLParser):
    """What a parser finds: elements with their attributes, the text of each kind of element, what was left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in <{tag}>"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in self.open:
            self.texts[tag] = self.texts.get(tag, "") + data

    def tags(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def addresses(self) -> list[str]:
        names = ("src", "srcset", "href", "xlink:href", "action", "poster", "data")
        return [str(attributes[name]) for _, attributes in self.elements for name in names if name in attributes]


def thumbnail(colour: str) -> bytes:
    jpeg = io.BytesIO()
    Image.new("RGB", (32, 24), colour).save(jpeg, "JPEG")
    return jpeg.getvalue()


def full_report(name: str = "cat", remark: str = "a remark") -> Report:
    """A report with every part, in which each text that may come from outside is `name` or `remark`."""
    neighbours = (
        Tile(f"gallery/{name}/1.jpg", name, 0.9, thumbnail("red"), "relevant", 2),
        Tile(f"gallery/{name}/2.jpg", name, 0.8, thumbnail("green"), "wrong"),
        Tile(f"gallery/{name}/3.jpg", None, 0.7, None, "junk"),
        Tile(name, None, 0.6, thumbnail("blue"), "unknown"),
    )
    sheet = Sheet(Tile(f"query/{name}/q.jpg", name, thumbnail=thumbnail("white")), neighbours, remark)
    return Report(
        title=name,
        subtitle=remark,
        summary=Summary(1335, 1331, 4, {"gallery": 925, name: 410}, (remark,)),
        metrics=(
            Metric("hit_rate_at_1", 0.751, 0.707, 0.793, 410, "served", remark),
            Metric("ns4_self_in", 3.72, None, None, 410, "exact", remark, best=4.0),
        ),
        classes=ClassTable(("hit@1", name), tuple(ClassRow(f"{name}{n}", n, (n / 20, None)) for n in range(15, 0, -1))),
        sheets=(sheet,) * 9,
        sheets_note=remark,
        worst=(sheet,),
        hit_curve=HitCurve((1, 5, 10), (0.75, 0.9, 0.95)),
        histogram=ScoreHistogram((0.0, 0.5, 1.0), (30, 10), (5, 40)),
        seconds={"embed": {"decode": 9.3, name: 41.7}},
        rejects=(RejectRow(name, 4, ((name, remark),)),),
        provenance={"Artifacts": {"manifest": "manifest/0f3a52bc91de", name: remark}, name: {}},
    )


@pytest.fixture
def report() -> Report:
    return full_report()


@pytest.fixture
def make_report() -> Callable[[str, str], Report]:
    return full_report


@pytest.fixture
def bare_report() -> Report:
    """What there is without labels: samples, scores, seconds."""
    sheet = Sheet(Tile("a.jpg"), (Tile("b.jpg", score=0.5, thumbnail=thumbnail("red")),))
    return Report(
        "photos",
        "no labels",
        Summary(2, 2, 0),
        sheets=(sheet,),
        histogram=ScoreHistogram((0.0, 1.0), (1,)),
        seconds={"embed": {"decode": 1.0}},
    )


def full_history(n_epochs: int = 8) -> History:
    """Two candidates an epoch; the fourth epoch's trained weights are the best."""
    validations = {
        (epoch, share): Validation(epoch, share, {"hit_rate_at_1": 0.7 + gain, "ap_plain": 0.4 + gain}, 0.4 + gain)
        for epoch in range(1, n_epochs + 1)
        for share in (0.5, 1.0)
        for gain in [share * (0.1 - 0.02 * abs(epoch - 4))]
    }
    epochs = tuple(
        EpochRecord(
            epoch=epoch,
            step=5 * epoch,
            loss=1 / epoch,
            parts={"triplet": 0.9 / epoch, "distil": 0.1 / epoch},
            lr=1e-4 / epoch,
            gradient_norm=2.5,
            seconds=8.0,
            n_images=1200,
            health=Health(0.9, 812.25, 0.5 / epoch, 0.0),
            n_substituted=1,
            validations=(validations[epoch, 0.5], validations[epoch, 1.0]),
        )
        for epoch in range(1, n_epochs + 1)
    )
    losses = tuple(1 / (1 + step / 5) for step in range(5 * n_epochs))
    return History(Validation(0, 0.0, {"hit_rate_at_1": 0.7, "ap_plain": 0.4}, 0.4), epochs, losses)


def pictures(n: int, side: int = 12, seed: int = 0) -> np.ndarray:
    """Noise, uint8 `[n, side, side, 3]`."""
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), np.uint8)


def full_training(name: str = "cat", remark: str = "a remark") -> TrainingReport:
    """A training report with every part, in which each text that may come from outside is `name` or `remark`."""
    report = full_report(name, remark)
    sheet = report.worst[0]
    triplet = Triplet(*(View(f"train/{name}/{n}.jpg", name, picture) for n, picture in enumerate(pictures(3))))
    return TrainingReport(
        title=name,
        subtitle=remark,
        summary=report.summary,
        history=full_history(),
        metrics=(Metric("hit_rate_at_1", 0.8, 0.75, 0.85, 431, "exact", remark),),
        triplets=(triplet, triplet),
        triplets_note=remark,
        neighbours=(BeforeAfter(sheet.query, sheet.neighbours, sheet.neighbours[::-1], remark),) * 9,
        neighbours_note=remark,
        reconstructions=reconstruction_png(pictures(2), pictures(2, seed=1)),
        reconstructions_note=remark,
        seconds=report.seconds,
        rejects=report.rejects,
        provenance=report.provenance,
    )


def bare_training() -> TrainingReport:
    """What there is of an autoencoder that saw no labels and drew nothing."""
    start, trained = Validation(0, 0.0, {"mse": 0.25}, -0.25), Validation(1, 1.0, {"mse": 0.125}, -0.125)
    record = EpochRecord(1, 2, 0.2, {"mse": 0.2}, 1e-3, 1.0, 4.0, 40, Health(1.2), validations=(trained,))
    return TrainingReport("t", "s", Summary(2, 2, 0), History(start, (record,), (0.3, 0.1)))


@pytest.fixture(params=HOSTILE)
def hostile(request: pytest.FixtureRequest) -> str:
    """A name or label that means harm."""
    return str(request.param)


@pytest.fixture
def parse() -> Callable[[str], Page]:
    """Read a page's HTML."""
    return Page


@pytest.fixture
def history() -> History:
    return full_history()


@pytest.fixture
def make_pictures() -> Callable[..., np.ndarray]:
    return pictures


@pytest.fixture
def training() -> TrainingReport:
    return full_training()


@pytest.fixture(scope="session")
def training_html() -> str:
    """The page of `training`, drawn once: twelve plots take their time."""
    return render_training(full_training())


@pytest.fixture
def unlabelled_training() -> TrainingReport:
    return bare_training()


def draw_report(name: str, remark: str) -> str:
    """Plots of a report hold no text from outside, and take most of a page's time."""
    return render_report(replace(full_report(name, remark), hit_curve=None, histogram=None))


def draw_training(name: str, remark: str) -> str:
    """Two candidates and no step: no plots either."""
    report = full_training(name, remark)
    return render_training(replace(report, history=History(report.history.start)))


@pytest.fixture(params=[draw_report, draw_training], ids=["report", "training"])
def draw_page(request: pytest.FixtureRequest) -> Callable[[str, str], str]:
    """Draw either page, with every part but the plots, from a name and a remark that may come from anywhere."""
    return request.param

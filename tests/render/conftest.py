import io
from collections.abc import Callable

import pytest
from PIL import Image

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

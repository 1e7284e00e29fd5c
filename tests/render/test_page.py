import base64
import io
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from PIL import Image

from revsearch.render.page import render_report
from revsearch.render.report import Report

MakeReport = Callable[[str, str], Report]
Parse = Callable[[str], Any]


def without_plots(report: Report) -> str:
    """Plots hold no text from outside, and take most of a page's time."""
    return render_report(replace(report, hit_curve=None, histogram=None))


def test_every_picture_decodes_and_is_described(report: Report, parse: Parse) -> None:
    page = parse(render_report(report))
    pictures = [tag["src"] for tag in page.tags("img")] + [tag["srcset"] for tag in page.tags("source")]
    assert len(pictures) == 10 * 4 + 2 + 2, "a query and three neighbours a sheet, two plots in two themes"
    for picture in pictures:
        kind, data = str(picture).removeprefix("data:image/").split(";base64,")
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        image.load()
        assert image.format == kind.upper()
    assert all(tag["alt"] for tag in page.tags("img"))


def test_the_page_says_what_the_report_does(report: Report, parse: Parse) -> None:
    text = parse(without_plots(report)).texts["body"]
    squeezed = re.sub(r"\s+", " ", text)
    for said in (
        "1,335 images in",
        "4 rejected",
        "hit_rate_at_10.751",
        "95 %: 0.707 – 0.793 · 410 queries",
        "3.720 of 4",
        "+2 same",
        "manifest/0f3a52bc91de",
        "51.0 s",
        "✓ relevant",
        "✗ wrong",
        "○ not counted",
    ):
        assert said in squeezed


def test_right_and_wrong_differ_by_more_than_colour(report: Report, parse: Parse) -> None:
    page = parse(without_plots(report))
    tiles = [str(tag["class"]).split()[-1] for tag in page.tags("li") if "tile" in str(tag.get("class"))]
    assert tiles[:4] == ["relevant", "wrong", "junk", "unknown"]
    marks = [tag["aria-label"] for tag in page.tags("span") if tag.get("class") == "mark"]
    assert marks[:3] == ["relevant", "wrong", "not counted"]
    for verdict, border in (("relevant", "solid"), ("wrong", "dashed"), ("junk", "dotted")):
        assert re.search(rf"\.{verdict} \.frame[^}}]*{border}", page.texts["style"])


def test_classes_come_worst_first_and_long_tables_fold(report: Report) -> None:
    html = without_plots(report)
    classes = re.findall(r'<tr><th scope="row"><bdi>(cat\d+)', html)
    assert classes == [f"cat{n}" for n in range(1, 16)]
    assert html.index("<summary>3 more") < html.index("<bdi>cat13<")


def test_a_page_without_labels(bare_report: Report, parse: Parse) -> None:
    page = parse(render_report(bare_report))
    headings = re.findall(r"<h2>(.*?)</h2>", render_report(bare_report))
    assert headings == ["Queries and what they found", "Where the time went"]
    assert len(page.tags("figure")) == 1
    assert "relevant" not in page.texts["body"]
    assert "b.jpg" in page.texts["body"]


def test_a_report_of_nothing_but_counts(bare_report: Report, parse: Parse) -> None:
    page = parse(render_report(Report("t", "s", bare_report.summary)))
    assert not page.tags("h2")
    assert not page.tags("img")


def test_equal_reports_are_equal_pages(report: Report, make_report: MakeReport) -> None:
    assert render_report(report) == render_report(make_report("cat", "a remark"))


def test_importing_the_ring_is_cheap() -> None:
    code = "import sys, revsearch.render, revsearch.render.report; print('matplotlib' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"

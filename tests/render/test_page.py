import base64
import hashlib
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from revsearch.render.page import render_report
from revsearch.render.report import Report

MakeReport = Callable[[str, str], Report]

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


def without_plots(report: Report) -> str:
    """Plots hold no text from outside, and take most of a page's time."""
    return render_report(replace(report, hit_curve=None, histogram=None))


@pytest.mark.parametrize("name", HOSTILE)
def test_text_from_outside_stays_text(name: str, make_report: MakeReport) -> None:
    html = without_plots(make_report(name, name))
    html.encode()
    page, harmless = Page(html), Page(without_plots(make_report("cat", "a remark")))
    assert not page.open
    assert not page.tags("script")
    assert not [attribute for _, attributes in page.elements for attribute in attributes if attribute.startswith("on")]
    drawn = ("bdi", "span", "wbr", "style", "p", "div")  # names are cut at underscores, escapes marked
    assert [tag for tag, _ in page.elements if tag not in drawn] == [
        tag for tag, _ in harmless.elements if tag not in drawn
    ]
    assert page.texts["style"] == harmless.texts["style"]


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_remote(name: str, make_report: MakeReport) -> None:
    page = Page(without_plots(make_report(name, name)))
    assert all(address.startswith("data:image/") for address in page.addresses())
    assert "url(" not in page.texts["style"]
    assert "@import" not in page.texts["style"]
    assert not page.tags("link")
    assert not any("style" in attributes for _, attributes in page.elements)


def test_what_cannot_be_seen_is_shown_and_isolated(make_report: MakeReport) -> None:
    html = without_plots(make_report("a\u202eb\nc\u2066", "x\x1by"))
    assert not set("\u202e\u2066\x1b") & set(html)
    assert '<bdi>a<span class="unseen">\\u202e</span>b<span class="unseen">\\n</span>c' in html
    titles = [str(attributes["title"]) for tag, attributes in Page(html).elements if "title" in attributes]
    assert titles
    assert not any("\n" in title for title in titles)


def test_the_policy_admits_only_the_pages_own_style(report: Report) -> None:
    page = Page(without_plots(report))
    (policy,) = (tag["content"] for tag in page.tags("meta") if tag.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(page.texts["style"].encode()).digest()).decode()
    assert str(policy).split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_every_picture_decodes_and_is_described(report: Report) -> None:
    page = Page(render_report(report))
    pictures = [tag["src"] for tag in page.tags("img")] + [tag["srcset"] for tag in page.tags("source")]
    assert len(pictures) == 10 * 4 + 2 + 2, "a query and three neighbours a sheet, two plots in two themes"
    for picture in pictures:
        kind, data = str(picture).removeprefix("data:image/").split(";base64,")
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        image.load()
        assert image.format == kind.upper()
    assert all(tag["alt"] for tag in page.tags("img"))


def test_the_page_says_what_the_report_does(report: Report) -> None:
    text = Page(without_plots(report)).texts["body"]
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


def test_right_and_wrong_differ_by_more_than_colour(report: Report) -> None:
    page = Page(without_plots(report))
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


def test_a_page_without_labels(bare_report: Report) -> None:
    page = Page(render_report(bare_report))
    headings = re.findall(r"<h2>(.*?)</h2>", render_report(bare_report))
    assert headings == ["Queries and what they found", "Where the time went"]
    assert len(page.tags("figure")) == 1
    assert "relevant" not in page.texts["body"]
    assert "b.jpg" in page.texts["body"]


def test_a_report_of_nothing_but_counts(bare_report: Report) -> None:
    page = Page(render_report(Report("t", "s", bare_report.summary)))
    assert not page.tags("h2")
    assert not page.tags("img")


def test_equal_reports_are_equal_pages(report: Report, make_report: MakeReport) -> None:
    assert render_report(report) == render_report(make_report("cat", "a remark"))


def test_importing_the_ring_is_cheap() -> None:
    code = "import sys, revsearch.render, revsearch.render.report; print('matplotlib' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on the PATH")
@pytest.mark.parametrize("width", [1280, 500])
def test_opens_from_a_file_in_a_browser(report: Report, tmp_path: Path, width: int) -> None:
    (tmp_path / "report.html").write_text(render_report(report), encoding="utf-8")
    picture = tmp_path / "page.png"
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        f"--disable-component-update --disable-sync --hide-scrollbars --window-size={width},1400"
    )
    files = [f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}", (tmp_path / "report.html").as_uri()]
    subprocess.run(
        ["chromium", *flags.split(), *files],
        check=True,
        capture_output=True,
        timeout=120,
    )
    shown = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    assert shown.shape == (1400, width, 3)
    assert tuple(shown[2, 2]) == (0xF6, 0xF7, 0xF9), "the style sheet was let in: its ground, not white"
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 500
    blue = (abs(shown - (0x00, 0x72, 0xB2)) < 3).all(axis=2)
    assert blue.mean() > 0.001, "bars and the borders of relevant tiles"

import base64
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Draw = Callable[[str, str], str]
Parse = Callable[[str], Any]


def test_text_from_outside_stays_text(hostile: str, draw_page: Draw, parse: Parse) -> None:
    html = draw_page(hostile, hostile)
    html.encode()
    page, harmless = parse(html), parse(draw_page("cat", "a remark"))
    assert not page.open
    assert not page.tags("script")
    assert not [attribute for _, attributes in page.elements for attribute in attributes if attribute.startswith("on")]
    drawn = ("bdi", "span", "wbr", "style", "p", "div")  # names are cut at underscores, escapes marked
    assert [tag for tag, _ in page.elements if tag not in drawn] == [
        tag for tag, _ in harmless.elements if tag not in drawn
    ]
    assert page.texts["style"] == harmless.texts["style"]


def test_nothing_is_remote(hostile: str, draw_page: Draw, parse: Parse) -> None:
    page = parse(draw_page(hostile, hostile))
    assert all(address.startswith("data:image/") for address in page.addresses())
    assert "url(" not in page.texts["style"]
    assert "@import" not in page.texts["style"]
    assert not page.tags("link")
    assert not any("style" in attributes for _, attributes in page.elements)


def test_what_cannot_be_seen_is_shown_and_isolated(draw_page: Draw, parse: Parse) -> None:
    html = draw_page("a\u202eb\nc\u2066", "x\x1by")
    assert not set("\u202e\u2066\x1b") & set(html)
    assert '<bdi>a<span class="unseen">\\u202e</span>b<span class="unseen">\\n</span>c' in html
    titles = [str(attributes["title"]) for tag, attributes in parse(html).elements if "title" in attributes]
    assert titles
    assert not any("\n" in title for title in titles)


def test_the_policy_admits_only_the_pages_own_style(draw_page: Draw, parse: Parse) -> None:
    page = parse(draw_page("cat", "a remark"))
    (policy,) = (tag["content"] for tag in page.tags("meta") if tag.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(page.texts["style"].encode()).digest()).decode()
    assert str(policy).split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on the PATH")
@pytest.mark.parametrize("width", [1280, 500])
def test_opens_from_a_file_in_a_browser(draw_page: Draw, tmp_path: Path, width: int) -> None:
    (tmp_path / "page.html").write_text(draw_page("cat", "a remark"), encoding="utf-8")
    picture = tmp_path / "page.png"
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        f"--disable-component-update --disable-sync --hide-scrollbars --window-size={width},1400"
    )
    files = [f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}", (tmp_path / "page.html").as_uri()]
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

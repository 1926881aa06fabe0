"""The report in a real browser: it lays out, in both themes and on a small screen, and asks for nothing from anywhere."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.unit.drills.reports.made import made_run
from tierhost.drills.reports import as_html

if TYPE_CHECKING:
    from pathlib import Path

BROWSER = shutil.which("chromium")
LIMIT_S = 60.0

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="needs the Debian package chromium")]

PROBE = """
<script>
const drawings = [...document.querySelectorAll("svg")].map(each => each.getBoundingClientRect().width);
const narrow = drawings.filter(width => width < 300).length;
const ink = getComputedStyle(document.body).color, page = getComputedStyle(document.body).backgroundColor;
const wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
const loaded = performance.getEntriesByType("resource").length;
document.title = JSON.stringify({narrow, drawings: drawings.length, ink, page, wide, loaded});
</script>
"""
"""Measured by the browser itself, for want of eyes. The page has no script of its own."""


def seen(folder: Path, *options: str) -> str:
    """Open the page in a browser of its own and return what its probe says."""
    page = folder / "report.html"
    page.write_text(as_html.render(made_run(1)).replace("</body>", PROBE + "</body>"), encoding="utf-8")
    argv = [
        *(str(BROWSER), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *(f"--user-data-dir={folder / 'profile'}", "--dump-dom", *options, page.as_uri()),
    ]
    told = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, check=True, start_new_session=True).stdout
    return told.partition("<title>")[2].partition("</title>")[0]


@pytest.mark.parametrize(
    ("theme", "size", "colours"),
    [
        ("1", "1200,900", '"ink":"rgb(31, 35, 40)","page":"rgb(255, 255, 255)"'),
        ("0", "500,800", '"ink":"rgb(230, 237, 243)","page":"rgb(13, 17, 23)"'),
    ],
    ids=["light", "dark and small"],
)
def test_the_page_lays_out_in_both_themes_and_never_scrolls_sideways(tmp_path: Path, theme: str, size: str, colours: str) -> None:
    told = seen(tmp_path, f"--blink-settings=preferredColorScheme={theme}", f"--window-size={size}")
    assert colours in told
    assert '"wide":false' in told
    assert '"narrow":0' in told
    assert '"drawings":0' not in told
    assert '"loaded":0' in told

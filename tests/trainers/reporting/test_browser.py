"""The page of a report in a browser, as wide as a phone and as wide as paper. It needs Chromium."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scoreline_trainers.reporting.page import report_page
from tests.trainers.reporting.reports import whole_report
from tests.trainers.reporting.test_page import HOSTILE

PHONE, PAPER = 390, 718
"""Pixels: of a common phone, and of A4 without margins."""

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium"),
]

# The report's own policy forbids scripts, so that a page around it measures.
MEASURE = """<!DOCTYPE html><body><iframe id="page" src="{name}" style="width:{width}px;height:900px"></iframe>
<script>
addEventListener("load", () => {{
  const page = document.getElementById("page").contentDocument;
  const right = (element) => element.getBoundingClientRect().right;
  const all = [...page.querySelectorAll("body *")].filter((element) => !element.closest("svg"));
  const outside = all.filter((element) => right(element) > {width} && ({tables} || !element.closest(".table")));
  const small = [...page.querySelectorAll("figure svg text")].filter((text) => text.getBoundingClientRect().height < 9);
  document.title = `outside ${{outside.length}}, width ${{page.documentElement.scrollWidth}}, small ${{small.length}}`;
}});
</script>"""


def measured(folder: Path, page: str, *, width: int, tables: bool) -> tuple[int, int, int]:
    """Elements that reach beyond the width, the page's width, and texts of pictures below 9 pixels.

    ``tables`` says whether those in tables count, which scroll by themselves on a screen.
    """
    (folder / "page.html").write_text(page, encoding="utf-8")
    text = MEASURE.format(name="page.html", width=width, tables=str(tables).lower())
    (folder / "around.html").write_text(text, encoding="utf-8")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom")
    command = [str(BROWSER), *options, "--virtual-time-budget=5000", f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run(
        [*command, (folder / "around.html").as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    found = re.search(r"<title>outside (\d+), width (\d+), small (\d+)</title>", done.stdout)
    assert found is not None, done.stdout[:500]
    outside, wide, small = map(int, found.groups())
    return outside, wide, small


@pytest.mark.parametrize("name", ["income", HOSTILE, "a_name_without_a_place_to_break_" * 5])
def test_nothing_but_tables_is_wider_than_a_phone(name: str, tmp_path: Path) -> None:
    outside, wide, small = measured(tmp_path, report_page(whole_report(name)), width=PHONE, tables=False)
    assert (outside, small) == (0, 0)
    assert wide <= PHONE


def test_no_table_is_cut_on_paper(tmp_path: Path) -> None:
    printed = report_page(whole_report()).replace("@media print", "@media screen")
    outside, wide, _ = measured(tmp_path, printed, width=PAPER, tables=True)
    assert outside == 0
    assert wide <= PAPER

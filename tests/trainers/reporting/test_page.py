"""The page of a report: every part is shown, nothing else is needed to read it, and names are text."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from scoreline_trainers.reporting.page import report_page
from scoreline_trainers.reporting.sections import report_sections
from tests.trainers.reporting.reports import bare_report, whole_report

HOSTILE = "<script>alert('x')</script>\"ünïcode$\\frac{1}{$"
VOID = frozenset({"meta", "br", "hr", "img", "input", "link", "path", "rect", "use", "wbr"})


class Parsed(HTMLParser):
    """The tags of a page with their attributes, its text, and the tags that were not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.crossed: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page() -> str:
    """Of a version with a hostile name in every part."""
    return report_page(whole_report(HOSTILE))


@pytest.fixture(scope="module")
def parsed(page: str) -> Parsed:
    return Parsed(page)


def test_the_page_needs_no_other_file_and_runs_no_script(page: str, parsed: Parsed) -> None:
    assert not {"script", "link", "iframe", "object", "embed", "form", "img"} & {tag for tag, _ in parsed.tags}
    for _, attributes in parsed.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    addresses = set(re.findall(r"https?://[^\s\"'<]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in page
    assert "url(" not in re.sub(r"url\(#\w+\)", "", page)


def test_the_page_is_well_formed_and_small(page: str, parsed: Parsed) -> None:
    assert not parsed.crossed
    assert not parsed.open
    assert len(page.encode()) < 2 * 2**20


def test_names_are_text_wherever_they_occur(page: str, parsed: Parsed) -> None:
    assert "<script" not in page
    assert parsed.text.count(HOSTILE) > 15


def test_every_picture_has_a_text_and_every_table_a_name(parsed: Parsed) -> None:
    pictures = [attributes for tag, attributes in parsed.tags if tag == "svg"]
    assert len(pictures) > 15
    assert all(attributes.get("aria-label") and attributes.get("role") == "img" for attributes in pictures)
    regions = [attributes for tag, attributes in parsed.tags if attributes.get("role") == "region"]
    assert len(regions) == sum(tag == "table" for tag, _ in parsed.tags)
    assert all(attributes["aria-label"] and attributes["tabindex"] == "0" for attributes in regions)
    headings = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))


def test_links_of_the_contents_lead_to_every_section(parsed: Parsed) -> None:
    anchors = {attributes["id"] for tag, attributes in parsed.tags if tag == "section"}
    links = {str(attributes["href"])[1:] for tag, attributes in parsed.tags if tag == "a"}
    assert anchors == links
    assert len(anchors) == len(report_sections(whole_report()))


@pytest.mark.parametrize(
    "found",
    [
        "Not fit for use as it is: 1 problem to be solved first.",
        "ROC curve: the true positive rate over the false positive rate.",
        "The area below it is 0.8100 (0.7900 to 0.8300).",
        "Precision over recall. The average precision is 0.6000",
        "Calibration: the rate of label 1 over the mean score",
        "Gain: the tenth with the highest scores holds",
        "Lift: the rate of label 1 in each tenth",
        "Tenths of the rows, the highest scores first",
        "The profit per row by cut: highest at 0.5",
        "Fold by fold",
        "By month of applied",
        "auc by month",
        "The share of favorable decisions by city",
        "warned at least so many steps before",
        "exact (trees)",
        "Mean absolute contributions of 2 inputs",
        "Contributions of 2 inputs in 80 rows",
        "The contribution of city over its value",
        "Inputs that matter together",
        "Highest score, a score of 0.9: from the base -1.4000 to -0.8000",
        "histogram of income from 0 to 20",
        "predicts the label alone; exclude it",
        "lightgbm 4.6.0",
        "Trials, the chosen one first",
        "permutation importance",
        "The ONNX graph equals the native model within 2e-07",
        "500.0 MB",
        "with the new bureau",
        "Not for loans to firms.",
    ],
)
def test_each_part_of_the_document_is_shown(plain_page: str, found: str) -> None:
    assert found in plain_page


@pytest.fixture(scope="module")
def plain_page() -> str:
    """The page with its labels and texts, without tags."""
    page = report_page(whole_report())
    parsed = Parsed(page)
    labels = [attributes.get("aria-label") or "" for _, attributes in parsed.tags]
    return parsed.text + "\n".join(labels)


def test_a_version_without_a_report_gets_one_of_its_manifest_that_says_so() -> None:
    page = report_page(bare_report())
    assert "this version has no report.json" in page
    titles = [section.title for section in report_sections(bare_report())]
    assert titles == [
        "Warnings", "Intended use", "Limits", "Score", "Quality", "Validation", "Training", "Inputs", "Proof",
    ]  # fmt: skip

"""Decision records have one format and numbers without gaps; the changelog has this version."""

import re

import pytest

from scoreline.version import __version__
from tests.docs.pages import ROOT

FOLDER = ROOT / "docs" / "adr"
RECORDS = sorted(FOLDER.glob("0*.md"))
FORMAT = (
    r"# (\d+)\. .+\n\n- Status: (proposed|accepted|superseded by \d+)\n- Date: \d{4}-\d\d-\d\d\n"
    r"\n## Context\n\n(?s:.+)\n## Decision\n\n(?s:.+)\n## Consequences\n\n(?s:.+)"
)


@pytest.mark.parametrize("number", range(len(RECORDS)))
def test_a_record_has_the_format_and_the_next_number(number: int) -> None:
    path = RECORDS[number]
    found = re.fullmatch(FORMAT, path.read_text(encoding="utf-8"))
    assert found, f"{path.name}: title, status, date, Context, Decision, Consequences"
    assert int(found[1]) == int(path.name[:4]) == number + 1


def test_the_index_lists_every_record_by_its_title() -> None:
    lines = (FOLDER / "index.md").read_text(encoding="utf-8").splitlines()
    titles = {path.name: path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ") for path in RECORDS}
    assert [line for line in lines if line.startswith("- ")] == [f"- [{titles[name]}]({name})" for name in titles]


def test_the_changelog_has_a_section_for_this_version() -> None:
    sections = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sections[:2] == ["Unreleased", __version__]

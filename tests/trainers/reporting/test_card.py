"""The model card: the same figures as the report, and nothing in it can be taken for markup."""

import re

from scoreline_trainers.reporting import markdown
from scoreline_trainers.reporting.blocks import Bullets, Section, Table
from scoreline_trainers.reporting.card import model_card
from scoreline_trainers.reporting.document import RunReport
from scoreline_trainers.reporting.page import report_page
from tests.trainers.reporting.reports import bare_report, whole_report
from tests.trainers.reporting.test_page import HOSTILE, Parsed


def test_every_line_of_the_card_is_in_the_report() -> None:
    report = whole_report()
    text = " ".join(Parsed(report_page(report)).text.split())
    for line in model_card(report).splitlines():
        for cell in re.split(r" ?\| ?", line.removeprefix("- ").removeprefix("problem: ").lstrip("# ")):
            if cell and set(cell) != {"-"}:
                assert cell.removesuffix(":") in text, line


def test_the_card_has_intended_use_and_limits_from_the_facts_where_the_recipe_has_none() -> None:
    card = model_card(bare_report())
    assert "one score per row, probability of default (probability), for rows like the 4,000" in card
    assert "- Rows without these features get no score: income." in card
    said = bare_report().model_copy(update={"run": RunReport(intended_use="Loans under 5,000.", limits=("No firms.",))})
    card = model_card(said)
    assert "## Intended use\n\nLoans under 5,000.\n" in card
    assert "## Limits\n\n- No firms.\n- Validation is of kind 'random', not by time" in card
    assert "The recipe does not say" not in card


def test_names_cannot_break_out_of_their_line_or_cell() -> None:
    card = model_card(whole_report(HOSTILE + "|pipe"))
    assert "<script" not in card
    rows = [line for line in card.splitlines() if line.startswith("| &lt;script")]
    assert rows
    assert all(r"\|pipe |" in row for row in rows)


def test_a_value_with_line_breaks_is_one_line() -> None:
    section = Section("Values\n# no heading", (Bullets(("a\n# b",)), Table("", ("name",), (("c\n| d",),))))
    assert markdown.section(section) == "## Values # no heading\n\n- a # b\n\n| name |\n| --- |\n| c \\| d |"


def test_a_description_keeps_its_lines_and_makes_no_headings() -> None:
    run = RunReport(description="First line.\n\n# no heading\n- item")
    card = model_card(bare_report().model_copy(update={"run": run}))
    assert "First line.\n\n\\# no heading\n- item\n" in card

"""The pages that list settings and errors say what the code does."""

import re
from pathlib import Path

from scoreline_server.reasons import CODES, Reason
from scoreline_server.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"


def rows(page: str) -> list[list[str]]:
    lines = (DOCS / page).read_text().splitlines()
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if line.startswith("| `")]
    return [[cell.strip("`") for cell in row] for row in cells]


def test_every_reason_stands_in_the_docs_with_its_code() -> None:
    documented = {reason: code for reason, code, _ in rows("errors.md")}
    assert documented == {reason.value: CODES[reason].name for reason in Reason}


def test_every_setting_stands_in_the_docs_with_its_default() -> None:
    documented = {name: default for name, default, _ in rows("settings.md")}
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert documented == {name: "none" if value in (None, "") else str(value) for name, value in defaults.items()}

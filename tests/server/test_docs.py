"""The pages that list settings and errors say what the code does."""

import re
from pathlib import Path

import pytest

from scoreline_server.errors import CallError, ErrorReason
from scoreline_server.rpc.authority import Action, Caller, read_policy
from scoreline_server.settings import Settings
from scoreline_server.status_codes import CODES

DOCS = Path(__file__).parents[2] / "docs"


def rows(page: str) -> list[list[str]]:
    lines = (DOCS / page).read_text().splitlines()
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if line.startswith("| `")]
    return [[cell.strip("`") for cell in row] for row in cells]


def test_every_reason_stands_in_the_docs_with_its_code() -> None:
    documented = {reason: code for reason, code, _ in rows("reference/errors.md")}
    assert documented == {reason.value: CODES[reason].name for reason in ErrorReason}


def test_every_setting_stands_in_the_docs_with_its_default() -> None:
    documented = {name: default for name, default, _ in rows("reference/settings.md")}
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert documented == {name: "none" if value in (None, "") else str(value) for name, value in defaults.items()}


def test_every_action_stands_in_the_docs_with_the_callers_that_may_do_it() -> None:
    documented = {row[0]: re.findall(r"[*\w]+", row[2]) for row in rows("guides/operations.md") if len(row) == 3}
    assert documented == {action.value: list(read_policy(None).allowed[action]) for action in Action}


def test_the_policy_of_the_docs_allows_whom_it_names(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    (block,) = re.findall(r"```toml\n(.*?)```", (DOCS / "guides" / "operations.md").read_text(), re.DOTALL)
    file.write_text(block)
    policy = read_policy(file)
    policy.authorize(Caller("ipv4:10.0.0.7:1", identity="deploy-bot"), Action.REGISTRY_WRITE)
    policy.authorize(Caller("ipv4:10.0.0.7:1"), Action.REGISTRY_READ)
    with pytest.raises(CallError):
        policy.authorize(Caller("ipv4:127.0.0.1:1"), Action.REGISTRY_WRITE)

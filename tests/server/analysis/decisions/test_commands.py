"""The commands: what actions did, what another policy would be worth, and what applying one would change."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scoreline_registry.commands import policy
from tests.server.analysis.decisions.explorer import BY_AGE, EXPLORER, explored, registry_with, write_explored
from tests.server.analysis.rows import DAY

COUNT = 900


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a registry, a journal of two hours ago, its outcomes and a file of another policy."""
    folder = tmp_path_factory.mktemp("place")
    registry_with(folder, EXPLORER)
    write_explored(folder / "journal", explored(COUNT, start=time.time_ns() - DAY // 12, seed=3))
    (folder / "by-age.yaml").write_text(BY_AGE)
    (folder / "visit.yaml").write_text(BY_AGE.replace("call", "visit"))
    return folder


def run(folder: Path, *arguments: object) -> Result:
    registry = ["--registry", str(folder / "registry")]
    return CliRunner().invoke(policy, [*map(str, arguments), *registry])


def test_effects_are_tables_and_a_page(place: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = run(place, "effect", "explorer", place / "journal", "--segment", "feature.age", "--html", page)
    assert result.exit_code == 0, result.output
    assert f"policy explorer: {COUNT} decisions, {COUNT} mature" in result.output
    assert "effects against the control" in result.output
    assert "net value" in result.output
    assert "feature.age" in result.output
    text = page.read_text()
    assert "<svg" in text
    assert "Actions of policy explorer" in text


def test_effects_are_one_json_object(place: Path) -> None:
    result = run(place, "effect", "explorer", place / "journal", "--json", "--outcome", "value")
    made = json.loads(result.output)
    assert made["cases"] == COUNT
    assert {each["metric"] for each in made["effects"]} == {"net value", "value"}
    assert {each["action"] for each in made["actions"]} == {"any action", "call", "mail"}
    assert made["control_shares"] == [20.0]
    assert made["effects"][0]["sequential"]["always_valid"]


def test_effects_need_no_registry_where_a_folder_is_given(place: Path, tmp_path: Path) -> None:
    found = CliRunner().invoke(
        policy, ["effect", "explorer", str(place / "journal"), "--registry", str(tmp_path / "none"), "--json"]
    )
    assert found.exit_code == 0, found.output
    assert json.loads(found.output)["cases"] == COUNT


def test_an_unknown_policy_without_a_folder_is_refused(place: Path) -> None:
    assert run(place, "effect", "nobody").exit_code != 0
    empty = run(place, "effect", "nobody", place / "journal")
    assert "PROBLEM: the journal has no decisions of this policy" in empty.output


def test_the_value_of_a_file_is_tables_and_json(place: Path) -> None:
    result = run(place, "value", place / "by-age.yaml", place / "journal")
    assert result.exit_code == 0, result.output
    for text in ("doubly robust", "self-normalised", "what was decided", "value less cost", "cost per decision"):
        assert text in result.output
    made = json.loads(run(place, "value", place / "by-age.yaml", place / "journal", "--json").output)
    assert made["used"] == COUNT
    assert [each["value"]["kind"] for each in made["values"]] == ["estimate"] * 3
    assert made["reproduced"] == 1


def test_a_file_without_support_is_refused_in_one_line(place: Path) -> None:
    refused = run(place, "value", place / "visit.yaml", place / "journal")
    assert refused.exit_code == 1
    assert "the policy would take 'visit', which the log never takes" in refused.output
    assert "(--supported)" in refused.output
    alone = run(place, "value", place / "visit.yaml", place / "journal", "--supported", "--json")
    assert json.loads(alone.output)["left_out"]["without support"] > 0


def test_a_plan_says_how_many_decisions_would_change(place: Path) -> None:
    result = run(place, "plan", place / "by-age.yaml", "--replay", "1d", "--journal", place / "journal")
    assert result.exit_code == 0, result.output
    assert f"of {COUNT} journaled decisions" in result.output
    assert "cost after" in result.output.lower()
    made = json.loads(
        run(place, "plan", place / "by-age.yaml", "--replay", "1d", "--journal", place / "journal", "--json").output
    )
    assert made["replay"]["cases"] == COUNT
    assert 0 < made["replay"]["changed"] < COUNT
    assert made["revision"] is None
    hour = run(place, "plan", place / "by-age.yaml", "--replay", "1h", "--journal", place / "journal", "--json")
    assert json.loads(hour.output)["replay"]["cases"] == 0
    assert "replay" not in json.loads(run(place, "plan", place / "by-age.yaml", "--json").output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "by-age.yaml", "--replay", "1 day"], "write a duration"),
        (["plan", "by-age.yaml", "--replay", "1d"], "name the folder of the journal"),
        (["effect", "explorer", "journal", "--segment", "age"], "neither feature.NAME nor context.KEY"),
        (["effect", "explorer", "journal", "--html", "page.txt"], "does not end in .html"),
        (["value", "by-age.yaml", "journal", "--clip", "0"], "clip"),
        (["value", "by-age.yaml", "journal", "--alpha", "2"], "alpha"),
        (["value", "by-age.yaml", "journal", "--clip", "nan"], "nan is no finite number"),
        (["effect", "explorer", "journal", "--alpha", "nan"], "nan is no finite number"),
        (["effect", "explorer", "journal", "--maturity-days", "nan"], "nan is no finite number"),
    ],
)
def test_bad_usage_is_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(place)
    result = run(place, *arguments)
    assert result.exit_code == 2
    assert message in result.output

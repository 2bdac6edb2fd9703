"""The command: text that puts problems first, one JSON document, the route's plan and errors of one line."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_file import read_route
from scoreline_server.analysis.commands import compare
from tests.server.analysis.rows import DAY, START, Rows, route_facts, write_outcomes, write_rows
from tests.server.toys import FEATURES, publish_linear

PLANNED = """
route: credit
schema:
  features: {income: number, age: number, debt: number}
rules:
  - split: {old@1: 50, new@1: 50}
experiment:
  start: 2024-10-04T00:00:00Z
  primary: paid
  alpha: 0.1
  maturity_days: 10
  metrics:
    spend: {outcome: spend, kind: mean, direction: increase}
    paid: {outcome: paid, kind: rate, direction: increase}
"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    generator = np.random.default_rng(2)
    assigned = generator.integers(0, 2, 3000)
    rows = Rows(
        route_facts({"old@1": 500_000, "new@1": 500_000}),
        [f"u{place}" for place in range(3000)],
        assigned,
        START + np.arange(3000) * DAY // 1500,
        scores=generator.random(3000),
    )
    folder = tmp_path / "journal"
    write_rows(folder, rows)
    observed = rows.times + DAY
    paid = generator.random(3000) < 0.2 + 0.2 * assigned
    write_outcomes(folder, "paid", paid, ids=rows.call_ids, observed_at=observed, file="0-2")
    write_outcomes(folder, "spend", paid * 3.0, ids=rows.call_ids, observed_at=observed, file="0-3")
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(compare, [str(argument) for argument in arguments])


def test_the_text_names_arms_effects_and_verdict(journal: Path, tmp_path: Path) -> None:
    result = run("credit", journal, "--registry", tmp_path / "none", "--metric", "paid:rate", "--maturity-days", 10)
    assert result.exit_code == 0, result.output
    assert "route credit: 3,000 units of 3,000 rows, 2024-10-04T00:00:00 to" in result.output
    assert "sample ratio: sound" in result.output
    assert "effects against old@1" in result.output
    assert "better" in result.output
    assert "PROBLEM" not in result.output


def test_the_json_is_one_document_with_its_version(journal: Path, tmp_path: Path) -> None:
    result = run("credit", journal, "--registry", tmp_path / "none", "--json")
    document = json.loads(result.stdout)
    assert document["schema_version"] == 1
    assert [metric["name"] for metric in document["plan"]["metrics"]] == ["paid", "spend"]
    assert [metric["kind"] for metric in document["plan"]["metrics"]] == ["rate", "mean"]
    effect = document["effects"][0]
    assert effect["sequential"]["kind"] == "estimate"
    assert effect["sequential"]["always_valid"]
    assert effect["looks"][-1]["units"] == 3000
    assert document["share_periods"][0]["shares"] == {"old@1": 500_000, "new@1": 500_000}
    assert document["period"]["first"] == "2024-10-04T00:00:00.000000Z"


def test_the_plan_is_that_of_the_route_and_options_replace_it(journal: Path, tmp_path: Path) -> None:
    registry = Registry.create(tmp_path / "registry")
    for name in ("old", "new"):
        publish_linear(registry, name, (1.0, 0, 0), features=FEATURES)
    registry.apply_route(read_route(PLANNED, source="test"), author="tester", message="half and half")
    plan = json.loads(run("credit", journal, "--registry", tmp_path / "registry", "--json").stdout)["plan"]
    assert (plan["source"], plan["alpha"], plan["maturity_days"]) == ("route", 0.1, 10)
    assert [metric["name"] for metric in plan["metrics"]] == ["paid", "spend"]
    document = json.loads(run("credit", journal, "--registry", tmp_path / "registry", "--alpha", 0.01, "--json").stdout)
    assert (document["plan"]["source"], document["plan"]["alpha"]) == ("route, changed by options", 0.01)
    assert document["moves"][0]["message"] == "half and half"
    assert document["moves"][0]["weights"] == {"old@1": 50, "new@1": 50}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--metric", "paid:share"], "is no metric: write OUTCOME"),
        (["--metric", "paid:ratio"], "has a denominator"),
        (["--segment", "channel"], "is neither feature.NAME nor context.KEY"),
        (["--html", "page.pdf"], "does not end in .html"),
        (["--alpha", "nan"], "alpha must be above 0 and below 0.5, not nan"),
        (["--maturity-days", "nan"], "maturity days must be from 0 to 3660, not nan"),
        (["--maturity-days", "1e300"], "maturity days must be from 0 to 3660, not 1e+300"),
        (["--cut-off", "inf"], "a cut-off is a finite score, not inf"),
        (["--metric", "x" * 129], "names of outcomes have at most 128 characters"),
        (["--metric", "paid"] * 51, "51 metrics: give at most 50"),
        (["--segment", "context.a"] * 21, "21 segments: give at most 20"),
    ],
)
def test_wrong_options_are_told_in_one_line(journal: Path, tmp_path: Path, arguments: list[str], told: str) -> None:
    result = run("credit", journal, "--registry", tmp_path / "none", *arguments)
    assert result.exit_code == 2
    assert told in result.output


def test_an_arm_that_does_not_exist_is_no_baseline(journal: Path, tmp_path: Path) -> None:
    result = run("credit", journal, "--registry", tmp_path / "none", "--baseline", "other@1")
    assert result.exit_code == 1
    assert "there is no arm 'other@1'; the arms are new@1, old@1" in result.output


def test_a_page_is_written_beside_the_text(journal: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = run("credit", journal, "--registry", tmp_path / "none", "--metric", "paid:rate", "--html", page)
    assert result.exit_code == 0, result.output
    assert f"written to {page}" in result.output
    assert "<svg" in page.read_text()

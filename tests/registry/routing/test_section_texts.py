"""How figures, time spans and limits read in a plan and in the history."""

from datetime import UTC, datetime, timedelta

import pytest

from scoreline_registry.routing.planning import next_document, written_schema
from scoreline_registry.routing.ramp import GuardEvidence, GuardLimit
from scoreline_registry.routing.ramping import moved
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.section_texts import elapsed_text, guard_text, limit_text, section_facts, section_moves
from tests.registry.samples import spec

NOW = datetime(2026, 11, 1, tzinfo=UTC)
METRIC = {"outcome": "sale", "kind": "ratio", "denominator": "visits", "direction": "increase"}
EXPERIMENT = {"primary": "sale", "start": NOW.isoformat(), "segments": ["context.channel"], "metrics": {"sale": METRIC}}
RAMP = {"arm": "credit@2", "steps": [5, 12.5], "hold": "1h", "prove": True, "guards": {"outcome": {"sale": 0.01}}}


def route(**changes: object) -> RouteDocument:
    written = spec({"credit@1": 100, "credit@2": 0}, **changes)
    return next_document(written, schema=written_schema(written.input_schema), before=None)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172_799, "47 h"),
        (200_000, "2 days"),
    ],
)
def test_a_time_span_is_rounded_down(seconds: float, text: str) -> None:
    assert elapsed_text(timedelta(seconds=seconds)) == text


def test_the_figures_of_a_guard() -> None:
    figure = GuardEvidence(guard="p99_ms", verdict="continue", limit=20, rows=12)
    assert guard_text(figure) == "p99_ms, limit 20, 12 calls"
    full = figure.model_copy(update={"value": 18.25, "low": 17.0, "segment": "context.channel = web"})
    assert guard_text(full) == "p99_ms 18.25 [17, open] where context.channel = web, limit 20, 12 calls"


def test_a_limit_says_what_it_compares() -> None:
    assert limit_text("error_rate", GuardLimit(limit=0.05)) == "0.05, after 200 batches"
    compared = GuardLimit(limit=0.05, against="others", by="context.channel", rows=1_000)
    assert limit_text("flip_rate", compared) == "0.05 from the other arms by context.channel, after 1,000 units"


def test_the_sections_as_facts() -> None:
    assert section_facts(route()) == {}
    assert section_facts(route(experiment=EXPERIMENT, ramp=RAMP, outcomes={"keep_days": 90})) == {
        "outcomes": "kept for 90 days",
        "experiment start": "2026-11-01T00:00:00+00:00",
        "experiment primary": "sale",
        "experiment alpha": "0.05",
        "experiment minimum_effect": "none",
        "experiment tuning_rows": "5000",
        "experiment covariate": "none",
        "experiment maturity_days": "0",
        "experiment segments": "context.channel",
        "experiment metric sale": "ratio of sale over visits, hoped to increase",
        "ramp": "credit@2 by 5, 12.5 %, each for 1h, alpha 0.05, each on proof",
        "ramp guard outcome sale": "0.01, after 200 units with the outcome",
    }
    allocated = route(experiment=EXPERIMENT, allocate={"metric": "sale", "every": "90m", "floor": 2.5})
    assert section_facts(allocated)["allocation"] == "by thompson of sale, every 90m, at least 2.5 % for each arm"


def test_a_line_lists_a_few_figures_and_counts_the_rest() -> None:
    before = moved(route(ramp=RAMP), "start", now=NOW)
    figures = [GuardEvidence(guard=f"g{number}", verdict="pass", limit=1, rows=1) for number in range(9)]
    after = moved(before, "advance", now=NOW + timedelta(hours=1), evidence=figures)
    (line,) = section_moves(before, after)
    assert line.startswith(
        "ramp of credit@2: step 2 of 2, 5 % -> 12.5 %, after 60 min, guards: g0, limit 1, 1 units; g1"
    )
    assert line.endswith("g5, limit 1, 1 units; and 3 more")


def test_an_arm_with_several_shares_has_a_range_of_them() -> None:
    rules = [
        {"when": {"a": {"eq": 1}}, "split": {"credit@1": 97, "credit@2": 3}},
        {"split": {"credit@1": 100, "credit@2": 0}},
    ]
    before = route(rules=rules, ramp=RAMP)
    after = moved(before, "start", now=NOW)
    assert list(section_moves(before, after)) == ["ramp of credit@2: started at step 1 of 2, 0 to 3 % -> 5 %"]
    assert list(section_moves(after, after)) == []
    assert list(section_moves(after, before)) == ["ramp of credit@2: not started any more (was running at step 1 of 2)"]

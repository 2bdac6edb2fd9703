"""The sections of a route: written, stored, and written again."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from scoreline_registry.documents.documents import encode
from scoreline_registry.errors import InvalidError
from scoreline_registry.routing.durations import duration_text, rounded_text, seconds_of
from scoreline_registry.routing.planning import next_document, written_schema
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.route_file import read_route, write_route

WHOLE = """\
route: credit
schema: {features: {balance: number}}
rules:
  - split: {credit@8: 100, credit@9: 0}
outcomes: {keep_days: 400}
experiment:
  start: 2026-11-01T00:00:00Z
  primary: default
  alpha: 0.01
  minimum_effect: 0.005
  tuning_rows: 9000
  covariate: feature.balance
  maturity_days: 30
  segments: [context.channel, feature.balance]
  metrics:
    default: {outcome: default, kind: rate, direction: decrease}
    spend: {outcome: spend, kind: ratio, denominator: orders, direction: increase}
ramp:
  arm: credit@9
  steps: [1, 12.5, 100]
  hold: 30m
  guards: {error_rate: 0, p99_ms: 20, score_shift: 0.05, flip_rate: 0.02, missing_rate: 0.05, outcome: {default: 0.01}}
"""
ALLOCATED = """\
route: credit
schema: {features: {balance: number}}
rules: [{split: {credit@8: 50, credit@9: 50}}]
experiment: {primary: sale, metrics: {sale: {outcome: sale, kind: rate, direction: increase}}}
allocate: {by: thompson, metric: sale, every: 1h, floor: 5}
"""
CACHED = """\
route: credit
schema: {features: {balance: number}}
rules: [{split: {credit@8: 100}}]
cache: {keep: 2h}
"""


def document(text: str, before: RouteDocument | None = None) -> RouteDocument:
    spec = read_route(text, source="credit.yaml")
    return next_document(spec, schema=written_schema(spec.input_schema), before=before)


def test_every_section_is_stored() -> None:
    route = document(WHOLE)
    experiment, ramp = route.experiment, route.ramp
    assert experiment is not None
    assert ramp is not None
    assert route.outcome_days == 400
    assert experiment.start == datetime(2026, 11, 1, tzinfo=UTC)
    assert experiment.primary_metric.direction == "decrease"
    assert experiment.metrics["spend"].denominator == "orders"
    assert (ramp.arm, ramp.steps_millionths, ramp.hold_seconds) == ("credit@9", (10_000, 125_000, 1_000_000), 1800)
    limits = {name: guard.limit for name, guard in ramp.guards.limits.items()}
    assert limits == {"error_rate": 0, "p99_ms": 20, "score_shift": 0.05, "flip_rate": 0.02, "missing_rate": 0.05}
    assert ramp.guards.outcome["default"].limit == 0.01
    allocate = document(ALLOCATED).allocate
    assert allocate is not None
    assert (allocate.every_seconds, allocate.floor_millionths) == (3600, 50_000)
    cache = document(CACHED).cache
    assert cache is not None
    assert (cache.keep_seconds, cache.from_microseconds) == (7200, 100)


DETAILED = WHOLE.replace("0.05, flip", "{limit: 0.05, by: context.channel, against: others, rows: 50}, flip")


@pytest.mark.parametrize(
    "text", [WHOLE, ALLOCATED, DETAILED, CACHED, WHOLE.replace("hold: 30m", "hold: 30m\n  prove: true")]
)
def test_a_stored_section_is_written_read_and_applied_without_a_change(text: str) -> None:
    stored = document(text)
    assert RouteDocument.model_validate_json(encode(stored)) == stored
    assert document(write_route(stored), before=stored) == stored
    assert write_route(document(write_route(stored))) == write_route(stored)


def test_a_route_without_sections_keeps_its_bytes_and_one_with_them_its_schema() -> None:
    plain = document(WHOLE[: WHOLE.index("outcomes")])
    stored = json.loads(encode(plain))
    assert stored.keys() == {
        *("schema_number", "route", "schema", "earlier_schemas", "unit", "salt", "rules", "holdout_millionths"),
        "fallback",
    }
    assert document(WHOLE).schema_number == plain.schema_number == 1
    assert plain.outcome_days == 180
    assert plain.experiment_digest == ""


def test_any_change_of_the_plan_gives_the_experiment_another_digest() -> None:
    digests = {document(text).experiment_digest for text in (WHOLE, WHOLE.replace("alpha: 0.01", "alpha: 0.02"))}
    assert len(digests) == 2
    assert document(WHOLE).experiment_digest == document(WHOLE.replace("hold: 30m", "hold: 2h")).experiment_digest


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("keep", "kept", "cache: unknown key 'kept'; did you mean 'keep'?"),
        ("2h", "300", "such as 45s, 30m, 2h or 7d, not 300"),
        ("2h", "2h, from_microseconds: -1", "cache.from_microseconds: Input should be greater than or equal to 0"),
    ],
)
def test_a_mistake_in_the_cache_is_named(old: str, new: str, problem: str) -> None:
    with pytest.raises(InvalidError) as caught:
        document(CACHED.replace(old, new, 1))
    assert problem in str(caught.value)


def test_a_zone_is_another_way_to_write_the_same_start() -> None:
    assert document(WHOLE.replace("00:00:00Z", "01:00:00+01:00")) == document(WHOLE)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("primary: default", "primary: defualt", "experiment: primary: unknown metric 'defualt'; the metrics are"),
        ("alpha: 0.01", "alpha: 0", "experiment.alpha: Input should be greater than 0"),
        ("alpha: 0.01", "alpha: 0.5", "experiment.alpha: Input should be less than 0.5"),
        ("alpha: 0.01", "aplha: 0.01", "experiment: unknown key 'aplha'; did you mean 'alpha'?"),
        ("T00:00:00Z", "", "experiment.start: a time has its zone: write it as 2026-11-01T00:00:00Z"),
        ("covariate: feature.balance", "covariate: balance", "write feature.<name> or context.<key>"),
        ("kind: rate", "kind: median", "experiment.metrics.default.kind: Input should be 'mean', 'rate' or 'ratio'"),
        ("denominator: orders, ", "", "experiment.metrics.spend: a ratio has a `denominator`"),
        ("keep_days: 400", "keep_days: 0", "outcomes.keep_days: Input should be greater than or equal to 1"),
        (
            "[1, 12.5, 100]",
            "[1, 1, 100]",
            "ramp.steps: the steps must ascend, such as [1, 5, 25, 50, 100]: step 2 does not",
        ),
        ("[1, 12.5, 100]", "[25, 5]", "ramp.steps: the steps must ascend"),
        ("[1, 12.5, 100]", "[0, 5]", "ramp.steps: the first step is above 0 percent"),
        ("[1, 12.5, 100]", "[1, 101]", "ramp.steps.1: 101 is not between 0 and 100 percent"),
        ("[1, 12.5, 100]", "[]", "ramp.steps: Tuple should have at least 1 item"),
        ("hold: 30m", "hold: 30", "such as 45s, 30m, 2h or 7d, not 30"),
        ("hold: 30m", "hold: 30 minutes", "such as 45s, 30m, 2h or 7d, not '30 minutes'"),
        ("hold: 30m", "hold: 0m", "a duration is between 1s and 366d, not 0m"),
        ("flip_rate", "flipp_rate", "ramp.guards: unknown key 'flipp_rate'; did you mean 'flip_rate'?"),
        ("flip_rate: 0.02", "flip_rate: 2", "ramp.guards.flip_rate.limit: Input should be less than or equal to 1"),
        ("p99_ms: 20", "p99_ms: {limits: 20}", "ramp.guards.p99_ms: unknown key 'limits'; did you mean 'limit'?"),
        ("p99_ms: 20", "p99_ms: {limit: 2, by: x}", "by: 'x' is neither a feature nor a context key"),
        ("p99_ms: 20", "p99_ms: 0", "ramp.guards.p99_ms.limit: Input should be greater than 0"),
    ],
)
def test_a_mistake_in_a_section_is_named_where_it_stands(old: str, new: str, problem: str) -> None:
    assert old in WHOLE
    with pytest.raises(InvalidError) as caught:
        document(WHOLE.replace(old, new, 1))
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("by: thompson", "by: epsilon", "by: unknown method 'epsilon'; use 'thompson'"),
        ("floor: 5", "floor: 60", "floor: 60 is not above 0 and at most 50 percent"),
        ("every: 1h", "every: hourly", "not 'hourly'"),
    ],
)
def test_a_mistake_in_an_allocation_is_named_where_it_stands(old: str, new: str, problem: str) -> None:
    with pytest.raises(InvalidError) as caught:
        document(ALLOCATED.replace(old, new, 1))
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45s"), (60, "1m"), (90, "90s"), (7200, "2h"), (86_400, "1d"), (129_600, "36h")]
)
def test_a_duration_is_written_in_the_largest_unit_that_divides_it(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(45, "45s"), (90, "90s"), (119, "119s"), (121, "3m"), (5063, "85m"), (86_400, "1d"), (129_600, "36h"),
     (615_938, "8d"), (732 * 3600, "31d")],
)  # fmt: skip
def test_a_duration_in_a_message_is_rounded_up_to_a_readable_unit(seconds: int, text: str) -> None:
    assert rounded_text(seconds) == text
    assert seconds_of(text) >= seconds


@pytest.mark.parametrize("text", [None, 30, 1.5, "", "m", "1.5h", "-1m", "1 h", "367d", "٣m"])
def test_what_is_no_duration_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds_of(text)

"""A ramp moves units into the growing arm only, and its way back restores what was."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scoreline_registry.documents.documents import encode
from scoreline_registry.errors import RefusedError
from scoreline_registry.routing.assignment import Assigner
from scoreline_registry.routing.bucketing import WHOLE, BucketRange, merged, share
from scoreline_registry.routing.planning import next_document, written_schema
from scoreline_registry.routing.ramp import MAX_MOVES, GuardEvidence, RampMoveName
from scoreline_registry.routing.ramping import grown, held_by_rollback, moved
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.rules import Arm, Rule
from tests.registry.samples import spec

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
RAMP = {"arm": "credit@9", "steps": [1, 5, 25, 50, 100], "hold": "30m", "guards": {"error_rate": 0.01}}
UNITS = [f"customer-{number}" for number in range(5_000)]
EVIDENCE = GuardEvidence(guard="error_rate", verdict="pass", limit=0.01, value=0.002, low=0.0, high=0.007, rows=9_000)


def route(split: dict[str, object] | None = None, **changes: Any) -> RouteDocument:
    written = spec(split or {"credit@8": 100, "credit@9": 0}, **{"ramp": RAMP, **changes})
    return next_document(written, schema=written_schema(written.input_schema), before=None)


def shares(document: RouteDocument, rule: int = 0) -> dict[str, int]:
    return {arm.ref: arm.millionths for arm in document.rules[rule].arms}


@st.composite
def partitions(draw: st.DrawFn) -> tuple[Rule, list[int]]:
    """A rule whose arms have any ranges, and ascending steps above what its last arm has."""
    edges = sorted(draw(st.sets(st.integers(1, WHOLE - 1), max_size=12)))
    pieces = [BucketRange(start, end) for start, end in zip([0, *edges], [*edges, WHOLE], strict=True)]
    count = draw(st.integers(1, 6))
    owners = [draw(st.integers(0, count)) for _ in pieces]
    arms = tuple(
        Arm(ref=f"m@{arm + 1}", ranges=merged(p for p, owner in zip(pieces, owners, strict=True) if owner == arm))
        for arm in range(count + 1)
    )
    has = arms[-1].millionths
    steps = draw(st.sets(st.integers(min(has + 1, WHOLE), WHOLE), min_size=1, max_size=6))
    return Rule(arms=arms), sorted(steps)


def owners_at(rule: Rule, edges: list[int]) -> list[str]:
    """The arm of the bucket range that begins at each edge."""
    return [next(arm.ref for arm in rule.arms for part in arm.ranges if part.start <= at < part.end) for at in edges]


@given(partitions())
@settings(deadline=None)
def test_at_each_step_units_move_only_into_the_arm_that_grows(drawn: tuple[Rule, list[int]]) -> None:
    rule, steps = drawn
    growing = rule.arms[-1].ref
    before = rule
    for step in steps:
        after = grown(before, growing, step)
        edges = sorted({part.start for each in (before, after) for arm in each.arms for part in arm.ranges})
        pairs = zip(owners_at(before, edges), owners_at(after, edges), strict=True)
        assert all(new in {old, growing} for old, new in pairs)
        assert after.arms[-1].millionths == max(step, before.arms[-1].millionths)
        assert [arm.ref for arm in after.arms] == [arm.ref for arm in rule.arms]
        before = after


@given(partitions())
@settings(deadline=None)
def test_the_other_arms_shrink_in_proportion(drawn: tuple[Rule, list[int]]) -> None:
    rule, steps = drawn
    after = grown(rule, rule.arms[-1].ref, steps[0])
    left = WHOLE - rule.arms[-1].millionths
    for old, new in zip(rule.arms[:-1], after.arms[:-1], strict=True):
        fair = old.millionths * (WHOLE - after.arms[-1].millionths) / left if left else 0
        assert abs(new.millionths - fair) < 1


@given(partitions(), st.integers(0, 5))
@settings(deadline=None)
def test_the_way_back_restores_every_range(drawn: tuple[Rule, list[int]], moves: int) -> None:
    rule, steps = drawn
    assume(rule.arms[-1].millionths < WHOLE)
    percents = [str(step / 10_000) for step in steps]
    base = route(ramp={**RAMP, "arm": rule.arms[-1].ref, "steps": percents}, split={rule.arms[-1].ref: 100})
    before = base.model_copy(update={"rules": (rule,)})
    document = moved(before, "start", now=START)
    for _ in range(min(moves, len(steps) - 1)):
        document = moved(document, "advance", now=START)
    assert document.rules != before.rules
    assert moved(document, "roll_back", now=START).rules == before.rules
    assert moved(document, "abort", now=START).rules == before.rules


def test_a_ramp_goes_through_its_steps_and_is_done() -> None:
    document = moved(route(), "start", now=START)
    seen = [shares(document)["credit@9"]]
    for step in range(1, 5):
        document = moved(document, "advance", now=START + timedelta(minutes=30 * step), evidence=[EVIDENCE])
        seen.append(shares(document)["credit@9"])
    assert seen == [10_000, 50_000, 250_000, 500_000, 1_000_000]
    document = moved(document, "finish", now=START + timedelta(hours=3))
    state = document.ramp_state
    assert state is not None
    assert (state.status, state.step, state.since) == ("done", 4, START + timedelta(hours=2))
    assert [(move.move, move.step) for move in state.moves] == [
        ("start", 0),
        *(("advance", step) for step in range(1, 5)),
        ("finish", 4),
    ]
    assert state.moves[1].evidence == (EVIDENCE,)
    assert shares(document) == {"credit@8": 0, "credit@9": 1_000_000}
    assert RouteDocument.model_validate_json(encode(document)) == document


def test_an_arm_grows_in_every_rule_that_lists_it_beside_another() -> None:
    rules = [
        {"when": {"a": {"eq": 1}}, "split": {"credit@7": 30, "credit@8": 60, "credit@9": 10}},
        {"when": {"a": {"eq": 2}}, "split": {"credit@9": 100}},
        {"when": {"a": {"eq": 3}}, "split": {"credit@8": 100}},
        {"split": {"credit@8": 100, "credit@9": 0}},
    ]
    document = moved(route(rules=rules, ramp={**RAMP, "steps": [25, 100]}), "start", now=START)
    assert shares(document, 0) == {"credit@7": 250_000, "credit@8": 500_000, "credit@9": 250_000}
    assert shares(document, 1) == {"credit@9": WHOLE}
    assert shares(document, 2) == {"credit@8": WHOLE}
    assert shares(document, 3) == {"credit@8": 750_000, "credit@9": 250_000}


def test_a_holdout_stays_out_of_the_ramp() -> None:
    before = route(holdout=20)
    after = moved(before, "start", now=START)
    while after.ramp_state is not None and after.ramp_state.step < 4:
        after = moved(after, "advance", now=START)
    held = [unit for unit in UNITS if Assigner(before).assign(unit).reason == "HOLDOUT"]
    assert 800 < len(held) < 1200
    assert {Assigner(after).assign(unit).arm for unit in held} == {"credit@8"}
    others = [unit for unit in UNITS if unit not in set(held)]
    assert {Assigner(after).assign(unit).arm for unit in others} == {"credit@9"}


def test_a_pause_holds_the_weights_and_a_resumed_step_is_held_anew() -> None:
    running = moved(route(), "start", now=START)
    paused = moved(running, "pause", now=START + timedelta(minutes=10))
    assert paused.rules == running.rules
    assert paused.ramp_state is not None
    assert (paused.ramp_state.status, paused.ramp_state.since) == ("paused", START)
    resumed = moved(paused, "resume", now=START + timedelta(hours=5))
    assert resumed.rules == running.rules
    assert resumed.ramp_state is not None
    assert (resumed.ramp_state.status, resumed.ramp_state.since) == ("running", START + timedelta(hours=5))


@pytest.mark.parametrize(
    ("path", "move", "problem"),
    [
        ([], "advance", "it is not started; start it with `scoreline ramp start`"),
        ([], "pause", "it is not started"),
        ([], "abort", "it is not started"),
        (["start", "pause"], "advance", "it is paused; resume it with `scoreline ramp resume`"),
        (["start", "pause"], "start", "`scoreline ramp resume`, or end it with `scoreline ramp abort`"),
        (["start"], "finish", "it is not at its last step"),
        (["start", "abort"], "advance", "it is aborted; start it anew"),
        (["start", "roll_back"], "resume", "it is rolled back; start it anew"),
        (["start", *["advance"] * 4], "advance", "it is at its last step: finish it"),
        (
            ["start", *["advance"] * 4, "finish"],
            "start",
            "it is done; apply the route with another ramp, or take it back with",
        ),
        (["start", *["advance"] * 4, "finish"], "roll_back", "it is done"),
        (["start", *["advance"] * 4, "finish"], "abort", "take it back with `scoreline rollback`"),
    ],
)
def test_a_move_that_the_status_does_not_allow_is_refused(
    path: list[RampMoveName], move: RampMoveName, problem: str
) -> None:
    document = route()
    for each in path:
        document = moved(document, each, now=START)
    with pytest.raises(RefusedError, match="the ramp of credit@9 in route credit: ") as caught:
        moved(document, move, now=START)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("path", "move"),
    [
        (["start"], "start"),
        (["start"], "resume"),
        (["start", "pause"], "pause"),
        (["start", "abort"], "abort"),
        (["start", "abort"], "roll_back"),
        (["start", "roll_back"], "abort"),
        (["start", *["advance"] * 4, "finish"], "finish"),
    ],
)
def test_a_move_made_already_changes_nothing(path: list[RampMoveName], move: RampMoveName) -> None:
    document = route()
    for each in path:
        document = moved(document, each, now=START)
    assert moved(document, move, now=START + timedelta(days=1)) is document


@pytest.mark.parametrize("end", ["abort", "roll_back"])
def test_an_ended_ramp_can_be_started_anew(end: RampMoveName) -> None:
    first = moved(route(), "start", now=START)
    again = moved(moved(first, end, now=START), "start", now=START + timedelta(days=1))
    assert again.rules == first.rules
    assert again.ramp_state is not None
    assert [move.move for move in again.ramp_state.moves] == ["start"]


def test_a_ramp_whose_arm_has_the_first_step_already_does_not_start() -> None:
    with pytest.raises(RefusedError, match=r"its first step, 1 %, is not above the 2\.5 % of credit@9 in rule 1"):
        moved(route({"credit@8": 97.5, "credit@9": 2.5}), "start", now=START)


def test_a_route_without_a_ramp_makes_no_move() -> None:
    with pytest.raises(RefusedError, match="route credit: it has no ramp: write a section `ramp` and apply it"):
        moved(route(ramp=None), "start", now=START)


def test_the_last_moves_are_kept() -> None:
    document = moved(route(), "start", now=START)
    for minute in range(MAX_MOVES):
        move: RampMoveName = "pause" if minute % 2 == 0 else "resume"
        document = moved(document, move, now=START + timedelta(minutes=minute))
    assert document.ramp_state is not None
    assert len(document.ramp_state.moves) == MAX_MOVES
    assert document.ramp_state.moves[0].move == "pause"
    assert RouteDocument.model_validate_json(encode(document)) == document


def test_a_restored_ramp_that_ran_is_paused() -> None:
    running = moved(moved(route(), "start", now=START), "advance", now=START)
    held = held_by_rollback(running)
    assert held.rules == running.rules
    assert held.ramp_state is not None
    assert (held.ramp_state.status, held.ramp_state.step) == ("paused", 1)
    for settled in (route(), held, moved(running, "roll_back", now=START)):
        assert held_by_rollback(settled) is settled


def test_a_ramp_may_end_below_the_whole() -> None:
    document = route(ramp={**RAMP, "steps": [10, 50]})
    for move in ("start", "advance", "finish"):
        document = moved(document, move, now=START)
    assert shares(document) == {"credit@8": 500_000, "credit@9": 500_000}
    assert share(document.rules[0].arms[1].ranges) == 500_000

"""What counts as an exposure and what an effect is made of: retries, testers, ramps, late labels, lost units."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.routing.experiment import Experiment, Metric
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_server.analysis.comparison.comparison import Request, compare
from scoreline_server.analysis.comparison.plans import Options, metric_of
from scoreline_server.analysis.report.comparison import Comparison
from scoreline_server.analysis.report.document import document
from scoreline_server.analysis.report.text import tables
from tests.server.analysis.rows import (
    DAY,
    START,
    Rows,
    append_shadows,
    route_facts,
    write_outcomes,
    write_rows,
    write_unit_outcomes,
)

HALF = {"old@1": 500_000, "new@1": 500_000}
PLAN = Experiment(primary="paid", metrics={"paid": Metric(outcome="paid", kind="rate", direction="increase")})
NOW = START + 400 * DAY


def estimate(figure: Figure) -> Estimate:
    assert isinstance(figure, Estimate)
    return figure


def compared(
    *folders: Path, metric: str = "paid:rate", now: int = NOW, since: int | None = None, **options: Any
) -> Comparison:
    return compare(
        Request(folders, "credit", since=since, options=Options(metrics=(metric_of(metric),), **options), now=now)
    )


def notes(found: Comparison, severity: str) -> list[str]:
    return [note.text for note in found.notes if note.severity == severity]


def some_rows(count: int, *, shares: dict[str, int] = HALF, seed: int = 1, revision: int = 1, start: int = START,
              prefix: str = "u", **values: Any) -> Rows:  # fmt: skip
    """Rows of distinct units, assigned by chance with the shares in force, one per second."""
    generator = np.random.default_rng(seed)
    weights = np.array(list(shares.values())) / 1e6
    return Rows(
        route_facts(shares, revision=revision),
        [f"{prefix}{place}" for place in range(count)],
        generator.choice(len(shares), count, p=weights),
        start + np.arange(count) * 10**9,
        scores=generator.random(count),
        seed=seed,
        **values,
    )


def test_a_retried_call_counts_once_and_its_outcome_finds_the_unit(tmp_path: Path) -> None:
    first = some_rows(400, request_ids=[f"r{place}" for place in range(400)])
    again = replace(first, times=first.times + 10**6, seed=9)
    write_rows(tmp_path, first, name="0-1")
    write_rows(tmp_path, again, name="1-1")
    write_outcomes(tmp_path, "paid", np.ones(400), ids=again.call_ids)
    found = compared(tmp_path)
    assert (found.rows.read, found.rows.retries, found.rows.exposures, found.rows.repeats) == (800, 400, 400, 0)
    assert [arm.metrics[0].labelled for arm in found.arms] == [arm.exposures for arm in found.arms]


def test_a_journal_given_twice_changes_nothing_but_a_count(tmp_path: Path) -> None:
    rows = some_rows(1000)
    for folder in ("a", "b"):
        write_rows(tmp_path / folder, rows)
    write_outcomes(tmp_path / "a", "paid", np.random.default_rng(2).random(1000) < 0.3, ids=rows.call_ids)
    once, twice = compared(tmp_path / "a"), compared(tmp_path / "a", tmp_path / "b")
    assert twice.rows.duplicates == 1000
    assert twice.effects == once.effects
    assert twice.arms == once.arms


def test_testers_count_for_no_arm_and_the_holdout_is_a_group_of_its_own(tmp_path: Path) -> None:
    reasons = np.full(600, pb.REASON_SPLIT)
    rules = np.zeros(600)
    reasons[:50], rules[:50] = pb.REASON_OVERRIDE, 255
    reasons[50:150], rules[50:150] = pb.REASON_HOLDOUT, 255
    rows = some_rows(600, reasons=reasons, rules=rules)
    later = replace(rows, times=rows.times + DAY, reasons=None, rules=None, seed=3)
    write_rows(tmp_path, rows, later)
    found = compared(tmp_path)
    sizes = {arm.arm: arm.exposures for arm in found.arms}
    assert sizes.pop("holdout") == 100
    assert sum(sizes.values()) == 450
    assert found.rows.overridden == 100
    assert found.sample_ratio is not None
    assert sum(count for _, count in found.sample_ratio.observed) == 450


def test_rows_without_a_unit_expose_nobody_and_failed_ones_do(tmp_path: Path) -> None:
    rows = some_rows(100, errors={3: "MISSING_UNIT", 4: "MODEL_FAILED"})
    write_rows(tmp_path, rows)
    found = compared(tmp_path)
    assert (found.rows.unassigned, found.rows.failed, found.rows.exposures) == (1, 1, 99)


def test_a_unit_counts_once_for_the_arm_of_its_first_row(tmp_path: Path) -> None:
    first = some_rows(300)
    moved = replace(first, assigned=1 - first.assigned, times=first.times + DAY, seed=5)
    write_rows(tmp_path, moved, name="9-1")
    write_rows(tmp_path, first, name="0-2")
    found = compared(tmp_path)
    assert (found.rows.exposures, found.rows.repeats, found.rows.crossed) == (300, 300, 300)
    assert {arm.arm: arm.exposures for arm in found.arms} == {
        "old@1": int((first.assigned == 0).sum()), "new@1": int((first.assigned == 1).sum()),
    }  # fmt: skip


def test_a_fallback_counts_for_the_assigned_arm(tmp_path: Path) -> None:
    rows = some_rows(200)
    fell = np.flatnonzero(rows.assigned == 1)[:20]
    served, reasons = rows.assigned.copy(), np.full(200, pb.REASON_SPLIT)
    served[fell], reasons[fell] = 0, pb.REASON_FALLBACK
    write_rows(tmp_path, replace(rows, served=served, reasons=reasons))
    found = compared(tmp_path)
    arms = {arm.arm: arm for arm in found.arms}
    assert arms["new@1"].exposures == int((rows.assigned == 1).sum())
    assert (arms["new@1"].fallback, arms["old@1"].fallback) == (20, 0)
    assert arms["new@1"].scores is not None
    assert arms["new@1"].scores.count == arms["new@1"].exposures - 20


def ramped(folder: Path) -> None:
    """A ramp from 1 % to 50 % while the base rate rises from 10 % to 40 %, and an arm without any effect."""
    generator = np.random.default_rng(7)
    parts, labels = [], []
    for step, (share, rate) in enumerate(((10_000, 0.1), (100_000, 0.2), (500_000, 0.4))):
        shares = {"old@1": 1_000_000 - share, "new@1": share}
        rows = some_rows(
            20_000, shares=shares, seed=step, revision=step + 1, start=START + step * DAY, prefix=f"s{step}-"
        )
        parts.append(rows)
        labels.append(generator.random(20_000) < rate)
    write_rows(folder, *parts)
    write_outcomes(folder, "paid", np.concatenate(labels), ids=np.concatenate([part.call_ids for part in parts]))


def test_a_ramp_is_compared_within_its_steps_and_not_pooled(tmp_path: Path) -> None:
    ramped(tmp_path)
    found = compared(tmp_path)
    values = {arm.arm: estimate(arm.metrics[0].value).value for arm in found.arms}
    assert values["new@1"] - values["old@1"] > 0.1  # what pooling would say
    effect = found.effects[0]
    assert effect.strata == 3
    assert estimate(effect.absolute).low < 0 < estimate(effect.absolute).high
    assert abs(estimate(effect.absolute).value) < 0.02
    assert effect.verdict == "no difference shown"
    assert [dict(period.shares)["new@1"] for period in found.share_periods] == [10_000, 100_000, 500_000]
    assert found.sample_ratio is not None
    assert not found.sample_ratio.mismatch
    assert any("must not be subtracted" in note.text for note in found.notes)


@pytest.mark.parametrize("lost", [0.0, 0.02])
def test_units_of_one_arm_that_are_lost_by_2_percent_are_named(tmp_path: Path, lost: float) -> None:
    rows = some_rows(300_000)
    kept = np.flatnonzero((rows.assigned == 0) | (np.random.default_rng(3).random(300_000) >= lost))
    write_rows(
        tmp_path,
        Rows(rows.route, [rows.units[row] for row in kept.tolist()], rows.assigned[kept], rows.times[kept]),
        block_rows=100_000,
    )
    found = compared(tmp_path)
    assert found.sample_ratio is not None
    assert found.sample_ratio.mismatch == bool(lost)
    told = [note.text for note in found.notes if note.severity == "problem"]
    assert bool(told) == bool(lost)
    if lost:
        assert "sample ratio mismatch" in told[0]
        assert "promise: arm new@1 has 146,633 of 148,536 (-1.28 %)" in told[0]
        assert estimate(found.sample_ratio.sequential).value == pytest.approx(-0.01, abs=0.004)


def test_an_arm_without_a_share_that_gets_units_is_a_leak(tmp_path: Path) -> None:
    rows = some_rows(2000)
    leaking = replace(rows, route=route_facts({"old@1": 1_000_000, "new@1": 0}))
    write_rows(tmp_path, leaking)
    found = compared(tmp_path)
    assert found.sample_ratio is not None
    assert found.sample_ratio.leaks == ("new@1",)
    assert found.sample_ratio.mismatch
    assert found.effects[0].units == (0, 0)
    assert found.effects[0].left_out == 0
    document(found)


def test_outcomes_count_within_their_time_and_young_rows_in_neither_arm(tmp_path: Path) -> None:
    rows = some_rows(1000)
    write_rows(tmp_path, rows)
    observed = rows.times + np.where(np.arange(1000) % 4 == 0, 31, 29) * DAY
    write_outcomes(tmp_path, "paid", np.ones(1000), ids=rows.call_ids, observed_at=observed)
    young = int(rows.times[600]) + 30 * DAY - 1
    found = compared(tmp_path, maturity_days=30, now=young)
    assert sum(arm.metrics[0].mature for arm in found.arms) == 600
    assert sum(arm.metrics[0].labelled for arm in found.arms) == 450
    assert found.outcomes[0].late == 250


def test_the_last_word_counts_and_a_weight_of_0_withdraws(tmp_path: Path) -> None:
    rows = some_rows(300)
    write_rows(tmp_path, rows)
    write_outcomes(tmp_path, "paid", np.ones(300), ids=rows.call_ids, reported_at=NOW - 3)
    write_outcomes(tmp_path, "paid", np.zeros(100), ids=rows.call_ids[:100], reported_at=NOW - 2)
    write_outcomes(tmp_path, "paid", np.ones(50), ids=rows.call_ids[:50], weights=np.zeros(50), reported_at=NOW - 1)
    found = compared(tmp_path)
    assert (found.outcomes[0].read, found.outcomes[0].superseded) == (450, 150)
    assert sum(arm.metrics[0].labelled for arm in found.arms) == 250
    paid = sum(estimate(arm.metrics[0].value).value * arm.metrics[0].labelled for arm in found.arms)
    assert paid == pytest.approx(200)


def test_outcomes_by_unit_and_window_reach_the_rows_in_the_window_only(tmp_path: Path) -> None:
    rows = some_rows(500)
    write_rows(tmp_path, rows)
    middle = int(rows.times[250])
    write_unit_outcomes(tmp_path, "spend", np.full(500, 3.0), units=rows.units, since=START, until=middle)
    write_unit_outcomes(
        tmp_path, "spend", np.full(10, 1.0), units=[f"no{place}" for place in range(10)], since=0, until=NOW
    )
    found = compared(tmp_path, metric="spend:mean")
    assert sum(arm.metrics[0].labelled for arm in found.arms) == 250
    assert (found.outcomes[0].matched, found.outcomes[0].unmatched) == (250, 260)


def test_a_mean_adds_up_a_units_outcomes_and_a_ratio_divides_sums(tmp_path: Path) -> None:
    generator = np.random.default_rng(4)
    rows = some_rows(600)
    orders = generator.integers(1, 5, 600)
    spend = orders * generator.gamma(2, 10, 600)
    write_rows(tmp_path, rows)
    write_outcomes(tmp_path, "orders", orders, ids=rows.call_ids, file="0-2")
    write_outcomes(tmp_path, "spend", spend, ids=rows.call_ids, file="0-3")
    effect = compared(tmp_path, metric="spend/orders:ratio").effects[0]
    arms = [(spend[rows.assigned == arm], orders[rows.assigned == arm]) for arm in (0, 1)]
    (old, old_variance), (new, new_variance) = (
        (top.sum() / below.sum(), delta_variance(top, below)) for top, below in arms
    )
    assert estimate(effect.absolute).value == pytest.approx(new - old)
    reach = estimate(effect.absolute).high - estimate(effect.absolute).value
    assert reach == pytest.approx(1.9639 * np.sqrt(old_variance + new_variance), rel=1e-3)


def delta_variance(top: Any, below: Any) -> float:
    ratio = top.sum() / below.sum()
    residuals = top - ratio * below
    return float(residuals.var(ddof=1) / len(top) / below.mean() ** 2)


def test_too_few_rows_are_an_answer(tmp_path: Path) -> None:
    rows = some_rows(6)
    write_rows(tmp_path, rows)
    write_outcomes(tmp_path, "paid", np.array([1, 0, 1, 0, 1, 0]), ids=rows.call_ids)
    effect = compared(tmp_path).effects[0]
    assert isinstance(effect.absolute, TooFew)
    assert isinstance(effect.sequential, TooFew)
    assert effect.verdict == "too few"
    nothing = compare(Request((tmp_path,), "other", now=NOW))
    assert nothing.rows.read == 0
    assert nothing.notes[0].severity == "problem"
    assert document(nothing)["effects"] == []


@pytest.mark.parametrize(("digests", "is_changed"), [(("", PLAN.digest), False), ((PLAN.digest, "other"), True)])
def test_a_plan_that_was_changed_while_it_ran_is_told(
    tmp_path: Path, digests: tuple[str, str], is_changed: bool
) -> None:
    parts = [some_rows(50, revision=place, prefix=f"{place}-") for place in (1, 2)]
    for part, digest in zip(parts, digests, strict=True):
        part.route = replace(part.route, experiment=digest)
    write_rows(tmp_path, *parts)
    found = compare(Request((tmp_path,), "credit", now=NOW), PLAN)
    assert found.plan.changed == is_changed
    assert any("the plan was changed while it ran" in note.text for note in found.notes) == is_changed


def test_outcomes_that_only_tell_of_successes_are_named(tmp_path: Path) -> None:
    rows = some_rows(400)
    write_rows(tmp_path, rows)
    write_outcomes(tmp_path, "paid", np.ones(100), ids=rows.call_ids[:100])
    told = [note.text for note in compared(tmp_path).notes if note.severity == "problem"]
    assert any("report 0 for units" in text for text in told)


def test_a_journal_of_an_older_version_is_compared_within_revisions(tmp_path: Path) -> None:
    rows = some_rows(2000)
    rows.route = route_facts(HALF, rules=())
    write_rows(tmp_path, rows)
    write_outcomes(tmp_path, "paid", np.random.default_rng(11).random(2000) < 0.2, ids=rows.call_ids)
    found = compared(tmp_path)
    assert found.rows.without_shares == 2000
    assert found.sample_ratio is None
    assert isinstance(found.effects[0].absolute, Estimate)


def test_a_killed_worker_and_its_retries_change_no_conclusion(tmp_path: Path) -> None:
    rows = some_rows(4000, request_ids=[f"r{place}" for place in range(4000)])
    whole, half = np.arange(4000), np.arange(1800)
    labels = np.random.default_rng(8).random(4000) < 0.3
    write_rows(tmp_path / "calm", rows)
    write_outcomes(tmp_path / "calm", "paid", labels, ids=rows.call_ids)
    # One worker wrote 1,800 rows and died in a block; callers sent the last 300 calls that had no answer again.
    first = part_of(rows, half, seed=1)
    second = part_of(rows, whole[1500:], seed=2)
    second.times = second.times + 5 * 10**8
    write_rows(tmp_path / "storm", first, name="0-1", block_rows=400, torn=True)
    write_rows(tmp_path / "storm", second, name="1-1")
    ids = np.concatenate([first.call_ids[:1500], second.call_ids])
    write_outcomes(tmp_path / "storm", "paid", labels, ids=ids)
    calm, storm = compared(tmp_path / "calm"), compared(tmp_path / "storm")
    assert storm.rows.torn_tails == 1
    assert storm.rows.retries == 100  # 200 of the 300 were in the torn block
    for before, after in zip(calm.effects, storm.effects, strict=True):
        assert (after.units, after.verdict) == (before.units, before.verdict)
        for figure, other in ((after.absolute, before.absolute), (after.sequential, before.sequential)):
            one, two = estimate(figure), estimate(other)
            assert (one.value, one.low, one.high, one.p) == pytest.approx((two.value, two.low, two.high, two.p))


def part_of(rows: Rows, chosen: Any, *, seed: int) -> Rows:
    ids = rows.request_ids
    assert ids is not None
    return Rows(
        rows.route,
        [rows.units[row] for row in chosen.tolist()],
        rows.assigned[chosen],
        rows.times[chosen],
        scores=None if rows.scores is None else rows.scores[chosen],
        request_ids=[ids[row] for row in chosen.tolist()],
        seed=seed,
    )


def test_a_period_without_rows_has_outcomes_by_unit_and_no_figures(tmp_path: Path) -> None:
    rows = some_rows(100)
    write_rows(tmp_path, rows)
    write_unit_outcomes(tmp_path, "paid", np.ones(100), units=rows.units, since=START, until=START + DAY)
    found = compared(tmp_path, since=START + 2 * DAY)
    assert (found.rows.read, found.arms, found.outcomes[0].unmatched) == (0, (), 100)
    assert notes(found, "problem") == ["the journal has no rows of route 'credit' in this period"]


def test_facts_outcomes_and_scores_that_no_row_has_are_named(tmp_path: Path) -> None:
    rows = some_rows(400)
    path = write_rows(tmp_path, rows)
    append_shadows(path, rows, "broken@1", np.full(400, np.nan))
    found = compared(tmp_path, metric="payed:rate", segments=("context.chanel",), covariate="feature.incme")
    cautions = notes(found, "caution")
    assert "no row has a value of context.chanel: is it sent?" in cautions
    assert any(text.startswith("no row has a value of feature.incme") for text in cautions)
    assert "no outcome 'payed' has been reported: is the name right?" in cautions
    failed = sorted(text for text in cautions if text.startswith("shadow broken@1 against"))
    assert [text.partition(": ")[2] for text in failed] == [
        f"failed on {count} of {count} rows: its figures are of the others"
        for count in (int(np.sum(rows.assigned == 1)), int(np.sum(rows.assigned == 0)))
    ]
    shown = [" ".join(row) for table in tables(found) for row in table.rows]
    assert not [line for line in shown if "nan" in line]


def test_levels_are_shown_printable_and_short(tmp_path: Path) -> None:
    levels = ("\x1b[2Jweb", "x" * 5000, "")
    rows = some_rows(300, contexts=[{"from": level} for level in levels], context_index=np.arange(300) % 3)
    write_rows(tmp_path, rows)
    write_outcomes(tmp_path, "paid", np.arange(300) % 2, ids=rows.call_ids)
    found = compared(tmp_path, segments=("context.from",))
    assert {segment.level for segment in found.segments} == set(levels)
    shown = {row[0] for table in tables(found) if table.title == "effects by context.from" for row in table.rows}
    assert shown == {"?[2Jweb", "x" * 59 + "…", "(empty)"}


def test_a_shadow_that_always_differs_by_the_same_has_no_interval(tmp_path: Path) -> None:
    rows = some_rows(200, shares={"old@1": 1_000_000})
    path = write_rows(tmp_path, replace(rows, scores=np.full(200, 0.25)))
    append_shadows(path, rows, "shifted@1", np.full(200, 0.5))
    shown = {row[0]: row[1] for table in tables(compared(tmp_path)) for row in table.rows}
    assert shown["mean difference"] == "too few: 1 of 2 distinct values"
    assert shown["mean absolute difference"] == "0.25"


@pytest.mark.parametrize(
    ("values", "metric", "kind", "direction"),
    [
        ((0.0, 1.0), "due", "rate", "increase"),
        ((0.0, 2.5), "due", "mean", "increase"),
        ((0.0, 1.0), "paid", "rate", "decrease"),
        ((0.0, 1.0), "paid:mean", "mean", "increase"),
    ],
)
def test_a_metric_given_by_its_name_is_the_planned_one_or_what_its_values_are(
    tmp_path: Path, values: tuple[float, float], metric: str, kind: str, direction: str
) -> None:
    rows = some_rows(400)
    write_rows(tmp_path, rows)
    for name in ("due", "paid"):
        write_outcomes(tmp_path, name, np.resize(values, 400), ids=rows.call_ids, file=f"0-{name}")
    planned = Metric(outcome="paid", kind="rate", direction="decrease")
    experiment = Experiment(primary="paid", metrics={"paid": planned})
    options = Options(metrics=(metric_of(metric),))
    [effect] = compare(Request((tmp_path,), "credit", options=options, now=NOW), experiment).effects
    assert (effect.metric, effect.kind, effect.direction) == (metric.partition(":")[0], kind, direction)


@pytest.mark.parametrize("text", ["", ":rate", "paid/", "/due", "paid:share", "paid/due:mean", "paid:rate:up"])
def test_what_is_no_metric_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no metric|has a denominator"):
        metric_of(text)

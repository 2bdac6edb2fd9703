"""What changed in the sections of a route, in words: for plans and for the history. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from scoreline_registry.routing.allocation import Allocation, ArmEvidence
from scoreline_registry.routing.bucketing import percent_of
from scoreline_registry.routing.durations import duration_text
from scoreline_registry.routing.experiment import Experiment
from scoreline_registry.routing.ramp import GuardEvidence, GuardLimit, Ramp, RampMove, RampState, observed_by
from scoreline_registry.routing.ramping import grows_in, status_text
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.rules import Rule

_SHOWN = 6
"""How many figures of guards or arms a line lists."""


def section_facts(document: RouteDocument) -> dict[str, str]:
    """One text for each thing that the sections say, by its name."""
    facts: dict[str, str] = {}
    if document.outcomes is not None:
        facts["outcomes"] = f"kept for {document.outcomes.keep_days} days"
    if document.experiment is not None:
        facts |= _experiment_facts(document.experiment)
    if document.ramp is not None:
        facts |= _ramp_facts(document.ramp)
    if document.allocate is not None:
        facts["allocation"] = _allocation_text(document.allocate)
    if document.cache is not None:
        kept = duration_text(document.cache.keep_seconds)
        facts["cache"] = f"answers kept for {kept}, of arms from {document.cache.from_microseconds} µs a row"
    return facts | {f"profile {name}": inputs.text for name, inputs in document.profiles.items()}


def section_moves(before: RouteDocument, after: RouteDocument) -> Iterator[str]:
    """One line for each move of the ramp and each change of weights between two definitions of a route."""
    if after.ramp is not None and before.ramp_state != after.ramp_state:
        yield from (f"ramp of {after.ramp.arm}: {line}" for line in _ramp_lines(before, after, after.ramp))
    state = after.allocation_state
    if state is not None and state != before.allocation_state:
        yield f"allocation: change {state.changes}{_listed(map(_arm_text, state.evidence))}"


def was_running(experiment: Experiment | None, at: datetime | None) -> bool:
    """Whether an experiment had begun at a time; False where either is not known."""
    return experiment is not None and at is not None and (experiment.start is None or experiment.start <= at)


def step_text(ramp: Ramp, state: RampState) -> str:
    """The step of a ramp as people count them: step 2 of 5."""
    return f"step {state.step + 1} of {ramp.last_step + 1}"


def elapsed_text(passed: timedelta) -> str:
    """A time span, rounded down: 45 s, 31 min, 5 h or 3 days."""
    seconds = max(0, int(passed.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} days"


def guard_text(figure: GuardEvidence) -> str:
    """The figures of a guard: error_rate 0.002 [0, 0.007], limit 0.01, 9,000 batches."""
    value = "" if figure.value is None else f" {figure.value:.4g}"
    interval = ""
    if figure.low is not None or figure.high is not None:
        low, high = (("open" if side is None else f"{side:.4g}") for side in (figure.low, figure.high))
        interval = f" [{low}, {high}]"
    segment = f" where {figure.segment}" if figure.segment else ""
    return (
        f"{figure.guard}{value}{interval}{segment}, limit {figure.limit:g}, {figure.rows:,} {observed_by(figure.guard)}"
    )


def limit_text(name: str, guard: GuardLimit) -> str:
    """A limit with what it compares and waits for: 0.05 from the other arms by context.channel, after 200 units."""
    against = " from the other arms" if guard.against == "others" else ""
    by = f" by {guard.by}" if guard.by else ""
    return f"{guard.limit:g}{against}{by}, after {guard.rows:,} {observed_by(name)}"


def arm_shares(document: RouteDocument, ref: str) -> str:
    """The shares of an arm in the rules where it can grow: 5 %, or 5 to 10 %."""
    shares = sorted({_share(rule, ref) for rule in document.rules if grows_in(rule, ref)})
    return " to ".join(str(percent_of(share)) for share in dict.fromkeys(shares[:1] + shares[-1:])) + " %"


def _experiment_facts(experiment: Experiment) -> dict[str, str]:
    facts = {
        "experiment start": experiment.start.isoformat() if experiment.start else "none",
        "experiment primary": experiment.primary,
        "experiment alpha": f"{experiment.alpha:g}",
        "experiment minimum_effect": "none" if experiment.minimum_effect is None else f"{experiment.minimum_effect:g}",
        "experiment tuning_rows": str(experiment.tuning_rows),
        "experiment covariate": experiment.covariate or "none",
        "experiment maturity_days": str(experiment.maturity_days),
        "experiment segments": ", ".join(experiment.segments) or "none",
    }
    for name, metric in experiment.metrics.items():
        over = f" over {metric.denominator}" if metric.denominator else ""
        facts[f"experiment metric {name}"] = f"{metric.kind} of {metric.outcome}{over}, hoped to {metric.direction}"
    return facts


def _ramp_facts(ramp: Ramp) -> dict[str, str]:
    steps = ", ".join(str(percent_of(step)) for step in ramp.steps_millionths)
    proof = ", each on proof" if ramp.prove else ""
    hold = duration_text(ramp.hold_seconds)
    facts = {"ramp": f"{ramp.arm} by {steps} %, each for {hold}, alpha {ramp.alpha:g}{proof}"}
    facts |= {f"ramp guard {name}": limit_text(name, guard) for name, guard in ramp.guards.limits.items()}
    return facts | {
        f"ramp guard outcome {name}": limit_text("outcome", guard) for name, guard in ramp.guards.outcome.items()
    }


def _allocation_text(allocation: Allocation) -> str:
    every, floor = duration_text(allocation.every_seconds), percent_of(allocation.floor_millionths)
    return f"by {allocation.by} of {allocation.metric}, every {every}, at least {floor} % for each arm"


def _ramp_lines(before: RouteDocument, after: RouteDocument, ramp: Ramp) -> Iterator[str]:
    old, new = before.ramp_state, after.ramp_state
    if new is None:
        was = f"{status_text(old.status)} at {step_text(before.ramp or ramp, old)}" if old else "not started"
        yield f"not started any more (was {was})"
        return
    made = _moves_since(old, new)
    for move in made:
        yield _move_text(move, ramp, old, arm_shares(before, ramp.arm), arm_shares(after, ramp.arm))
    if not made and (old is None or (old.status, old.step) != (new.status, new.step)):
        yield f"restored as of an earlier revision: {status_text(new.status)} at {step_text(ramp, new)}"


def _moves_since(old: RampState | None, new: RampState) -> Sequence[RampMove]:
    """The moves that led from one state to the next; none where the next was restored from an earlier revision."""
    if new.status == "running" and [move.move for move in new.moves] == ["start"]:
        return new.moves if old is None or old.moves != new.moves else ()
    if old is None or not old.moves or old.moves[-1] not in new.moves:
        return ()
    return new.moves[new.moves.index(old.moves[-1]) + 1 :]


def _move_text(move: RampMove, ramp: Ramp, old: RampState | None, was: str, now: str) -> str:
    step = f"step {move.step + 1} of {ramp.last_step + 1}"
    change = f"{was} -> {now}" if was != now else now
    text = {
        "start": f"started at {step}, {change}",
        "advance": f"{step}, {change}",
        "finish": f"done at {step}, {change}",
        "roll_back": f"rolled back at {step}, {change}",
        "pause": f"paused at {step}, {change}",
        "resume": f"resumed at {step}, {change}",
        "abort": f"aborted at {step}, {change}",
    }[move.move]
    after = f", after {elapsed_text(move.at - old.since)}" if old is not None and move.move != "start" else ""
    breaches_first = sorted(move.evidence, key=lambda figure: figure.verdict != "breach")
    label = "breached" if any(figure.verdict == "breach" for figure in move.evidence) else "guards"
    return f"{text}{after}{_listed(map(guard_text, breaches_first), label)}"


def _share(rule: Rule, ref: str) -> int:
    return sum(arm.millionths for arm in rule.arms if arm.ref == ref)


def _arm_text(figure: ArmEvidence) -> str:
    mean = "" if figure.mean is None else f", mean {figure.mean:.4g}"
    chance = "" if figure.chance_best is None else f", best with chance {figure.chance_best:.3g}"
    return f"{figure.arm} {figure.count:,} rows{mean}{chance}"


def _listed(texts: Iterator[str], label: str = "") -> str:
    """Texts after a comma, at most ``_SHOWN``; empty where there are none."""
    every = list(texts)
    if not every:
        return ""
    more = f"; and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return (f", {label}: " if label else ": ") + "; ".join(every[:_SHOWN]) + more

"""A journal of a policy's decisions whose effects are known: a block halves a bad outcome, a nudge takes a fifth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scoreline_server.scoring.decided import DecidedRow, Suppressed
from tests.server.analysis.rows import START, Rows, route_facts, write_outcomes, write_rows

MINUTE = 60 * 10**9
CONTROL = 0.2
COSTS = {"block": 2.0, "nudge": 0.1, "none": 0.0}
REDUCES = {"block": 0.5, "nudge": 0.2, "none": 0.0}
AMOUNT = 20.0

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """What was journaled: N cases of M units, and the truth."""

    rows: Rows
    decided: list[DecidedRow]
    scores: Float64
    returned: npt.NDArray[np.bool_]


def proposed_of(score: float) -> str:
    """What the policy's rules say."""
    return "block" if score >= 0.7 else "nudge" if score >= 0.3 else "none"


def world(count: int, *, units: int, seed: int = 1, refused: float = 0.0, scale: float = 1.0) -> World:
    """Cases in the order of time; a limit refuses some blocks, which then become nudges. ``scale`` is of effects."""
    random = np.random.default_rng(seed)
    is_control = random.random(units) < CONTROL
    of_unit = random.integers(0, units, count) if units < count else np.arange(count)
    scores = random.random(count)
    decided = [
        _decide(float(score), bool(is_control[unit]), bool(random.random() < refused))
        for score, unit in zip(scores, of_unit, strict=True)
    ]
    kept = np.array([1 - scale * REDUCES[each.action] for each in decided])
    returned = random.random(count) < scores * kept
    rows = Rows(
        route_facts({"credit@1": 1_000_000}, numbers=("age",), revision=3),
        [f"u{unit}" for unit in of_unit.tolist()],
        np.zeros(count, int),
        START + np.arange(count) * (MINUTE // 60),
        scores=scores,
        numbers=np.where(of_unit % 2 == 0, 30.0, 60.0)[:, None],
        decided=decided,
        seed=seed,
    )
    return World(rows, decided, scores, returned)


def write_world(folder: Path, made: World) -> None:
    """The journal, with the outcomes ``returned`` and ``value``, what was not lost."""
    write_rows(folder, made.rows)
    write_outcomes(folder, "returned", made.returned, ids=made.rows.call_ids)
    write_outcomes(folder, "value", AMOUNT * ~made.returned, ids=made.rows.call_ids)


def _decide(score: float, is_control: bool, is_refused: bool) -> DecidedRow:
    proposed = proposed_of(score)
    if is_control:
        withheld = "" if proposed == "none" else proposed
        return DecidedRow("strict", proposed, "none", is_control=True, withheld=withheld)
    taken, suppressed = proposed, tuple[Suppressed, ...]()
    if proposed == "block" and is_refused:
        taken, suppressed = "nudge", (Suppressed("block", "money", "budget"),)
    return DecidedRow(
        "strict", proposed, taken, cost=COSTS[taken], expected_value=AMOUNT * score * REDUCES[taken] - COSTS[taken],
        variant=("calm" if score * 1000 % 2 < 1 else "firm") if taken == "nudge" else "", suppressed=suppressed,
    )  # fmt: skip

"""The reasons of scored rows, each by the arm that answered."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoreline_server.failure_log import log_failure
from scoreline_server.scoring.arrays import Float32
from scoreline_server.scoring.binding import Bound
from scoreline_server.scoring.compiled_route import CompiledRoute
from scoreline_server.scoring.reasons.codes import RowReasons
from scoreline_server.scoring.reasons.contributions import Contributions, Found
from scoreline_server.scoring.reasons.players import Inputs
from scoreline_server.scoring.results import RowResults
from scoreline_server.scoring.rows import RowBlock


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many reasons a row wants, in which language; 0 for none."""

    count: int = 0
    language: str = ""


def explain_rows(
    block: RowBlock, route: CompiledRoute, results: RowResults, wanted: Sequence[Wanted]
) -> list[RowReasons | None]:
    """The reasons of each row, by the arm that scored it; None where none are wanted or there are none.

    There are none for rows without a score, and for those whose mixtures with other rows the graph fails on or gives no
    number for.
    Raises ScoringError where a version cannot explain its scores.
    """
    found: list[RowReasons | None] = [None] * len(block)
    rows = np.array([at for at, each in enumerate(wanted) if each.count and at not in results.errors], np.intp)
    for index in sorted(set(results.served[rows].tolist())):
        arm, naming = route.arms[index], route.namings[index]
        bound = arm.binding.bind(block, rows[results.served[rows] == index])
        contributions = arm.model.contributions()
        for some, inputs in arm.binding.inputs(block, Bound(bound.rows, bound.features, None, {})):
            values = _contributions(contributions, inputs, results.scores[some], arm.ref)
            if values is None:
                continue
            for at, row in enumerate(some.tolist()):
                asked = wanted[row]
                found[row] = naming.reasons(values, at, inputs, count=asked.count, language=asked.language)
    return found


def _contributions(contributions: Contributions, inputs: Inputs, scores: Float32, arm: str) -> Found | None:
    """The contributions of rows; None where the graph fails on a mixture of one of them, which costs no score."""
    try:
        return contributions.of_rows(inputs, scores)
    except Exception as error:  # noqa: BLE001  any exception of ONNX Runtime
        log_failure("scores could not be explained", error, arm=arm, rows=len(scores))
        return None

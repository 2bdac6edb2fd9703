"""The reasons of scores that messages name, by the arm that answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scoreline_server.errors import ScoringError
from scoreline_server.failure_log import log_failure
from scoreline_server.scoring.reasons.codes import ReasonCode, RowReasons
from scoreline_server.scoring.reasons.row_reasons import Wanted, explain_rows
from scoreline_server.scoring.results import ScoredBatch


@dataclass(frozen=True, slots=True)
class SaidReason:
    """A reason as a message names it: what is said about an input, the input, and where it moved the score."""

    text: str
    input: str
    direction: Literal["raises", "lowers"]

    @classmethod
    def of(cls, code: ReasonCode) -> "SaidReason":
        """The reason of a code."""
        return cls(code.text, code.input, "raises" if code.contribution > 0 else "lowers")


def message_reasons(batch: ScoredBatch, wanted: Mapping[int, Wanted]) -> dict[int, RowReasons]:
    """The reasons of some rows, by row; none where the version that scored cannot explain its scores.

    Reasons that the caller has asked for already are taken, where they are enough.
    """
    found = dict(enumerate(batch.results.explanations or ()))
    missing = {row: each for row, each in wanted.items() if not _is_enough(found.get(row), each, batch)}
    found |= _explained(batch, missing) if missing else {}
    return {row: own for row in wanted if (own := found.get(row)) is not None}


def said(reasons: RowReasons | None) -> list[SaidReason]:
    """The reasons of a row as messages name them."""
    return [] if reasons is None else [SaidReason.of(code) for code in reasons.codes]


def _is_enough(found: RowReasons | None, wanted: Wanted, batch: ScoredBatch) -> bool:
    (request,) = batch.requests
    return found is not None and request.reasons >= wanted.count and request.language == wanted.language


def _explained(batch: ScoredBatch, wanted: Mapping[int, Wanted]) -> Mapping[int, RowReasons | None]:
    nothing = Wanted()
    every: Sequence[Wanted] = [wanted.get(row, nothing) for row in range(len(batch.rows))]
    try:
        return {row: own for row, own in enumerate(explain_rows(batch.rows, batch.route, batch.results, every)) if own}
    except ScoringError:
        return {}
    except Exception as error:  # noqa: BLE001  a message can do without its reasons
        log_failure("explaining scores for messages failed", error, route=batch.route.name)
        return {}

"""What a move of a ramp carries into its revision: the figures of its guards, and a message that tells the story."""

import math
from collections.abc import Iterable, Sequence

from scoreline_registry.routing.ramp import MAX_EVIDENCE, GuardEvidence, RampMoveName, Verdict
from scoreline_server.controllers.readings import Finding, Reading, breaches

_MOST_LINES = 3

_VERDICTS: dict[Finding, Verdict] = {
    Finding.TOO_FEW: "continue",
    Finding.WITHIN: "pass",
    Finding.PROVEN: "pass",
    Finding.BREACHED: "breach",
}


def evidence_of(readings: Iterable[Reading]) -> tuple[GuardEvidence, ...]:
    """The readings as the registry stores them: breaches first, then whole guards, then segments."""
    ordered = sorted(readings, key=lambda each: (each.finding is not Finding.BREACHED, bool(each.segment)))
    return tuple(
        GuardEvidence(
            guard=each.guard,
            verdict=_VERDICTS[each.finding],
            limit=each.limit,
            value=_finite(each.value),
            low=_finite(each.low),
            high=_finite(each.high),
            rows=each.count,
            segment=_printable(each.segment)[:300],
            method=each.method[:300],
        )
        for each in ordered[:MAX_EVIDENCE]
    )


def message_of(move: RampMoveName, *, arm: str, step: int, percents: Sequence[float], readings: list[Reading]) -> str:
    """The message of a move's revision, such as "ramp of credit@9: rolled back from 5 %" and a line per breach."""
    here = f"{percents[step]:g} %"
    ways = {
        "advance": f"advance from {here} to {percents[min(step + 1, len(percents) - 1)]:g} %",
        "finish": f"finished at {here}",
        "roll_back": f"rolled back from {here}",
    }
    breached = [_printable(str(each)) for each in breaches(readings)[:_MOST_LINES]]
    lines = [f"ramp of {arm}: {ways.get(move, move)}", *breached]
    return "\n".join(line[:180] for line in lines)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _printable(text: str) -> str:
    """A text that callers may have sent, without what a revision does not take."""
    return "".join(each if each.isprintable() else "?" for each in text)

"""Reasons of scores, as callers get them."""

from dataclasses import dataclass
from typing import NamedTuple

from scoreline.v1 import scoring_pb2 as pb


class ReasonCode(NamedTuple):
    """How one input moved a score.

    Attributes:
        input: its name.
        value: its value as text; empty where it is missing or there are many.
        contribution: by how much it moved the score; a positive one raises it.
        standard_error: of the contribution; 0 where it is exact.
        text: what to say about it.
        language: of the text.
    """

    input: str
    value: str
    contribution: float
    standard_error: float
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Which inputs moved a score most, away from the mean of a cohort of training rows.

    Attributes:
        reasons: the largest contributions first, whichever their sign, in log odds for a score that is a probability
            and else in units of the score.
        base: the mean of the cohort in these units.
        margin: the score in these units: ``base``, all reasons and ``rest`` together.
        rest: the sum of all contributions that ``reasons`` does not have.
        standard_error: the largest of a contribution; 0 where they are exact.
    """

    reasons: tuple[ReasonCode, ...]
    base: float
    margin: float
    rest: float
    standard_error: float


def read_explanation(message: pb.Explanation) -> Explanation:
    """The explanation of one row."""
    reasons = tuple(
        ReasonCode(each.input, each.value, each.contribution, each.standard_error, each.text, each.language)
        for each in message.reasons
    )
    return Explanation(reasons, message.base, message.margin, message.rest, message.standard_error)


def read_explanations(packed: pb.PackedScores, count: int) -> dict[int, Explanation]:
    """The explanations of a packed response by row; rows that have none are left out. Raises ValueError.

    A row without an explanation has an empty message in its place.
    """
    if packed.explanations and len(packed.explanations) != count:
        raise ValueError(f"it has {len(packed.explanations)} explanations")
    return {row: read_explanation(each) for row, each in enumerate(packed.explanations) if each.ByteSize()}

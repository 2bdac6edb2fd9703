"""What a policy decided for the rows of a batch, as the journal keeps it beside their scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Suppressed(NamedTuple):
    """An action that a limit forbade: its name, the limit's, and the limit's kind."""

    action: str
    limit: str
    kind: str


@dataclass(frozen=True, slots=True)
class DecidedRow:
    """The decision for one row.

    Attributes:
        strategy, rule: what decided, by name.
        action: the action; "none" for none.
        cost: what it costs.
        expected_value: its expected value; None where the policy states none.
        propensity: the probability with which it was chosen, given the strategy.
        variant_propensity: the probability with which the variant of its message was chosen.
        is_control: whether the unit is in the control share, which never gets an action.
        withheld: the action that a unit of the control share would have got; empty for others.
        variant, language, channel: of its message; empty for none.
        suppressed: better actions that a limit forbade, best first.
        flags: the policy's flags that hold, in its order.
        shadows: the action that each shadow strategy would have chosen, by strategy.
    """

    strategy: str
    rule: str
    action: str
    cost: float = 0.0
    expected_value: float | None = None
    propensity: float = 1.0
    variant_propensity: float = 1.0
    is_control: bool = False
    withheld: str = ""
    variant: str = ""
    language: str = ""
    channel: str = ""
    suppressed: Sequence[Suppressed] = ()
    flags: Sequence[str] = ()
    shadows: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DecidedRows:
    """The decisions for the N rows of a batch.

    Attributes:
        policy: the policy's name.
        revision: the registry's revision that it was adopted from.
        rows: [N], None for rows without a score.
    """

    policy: str
    revision: int
    rows: Sequence[DecidedRow | None]


def case_id(prediction_id: str, request_id: str, place: int, unit: str) -> str:
    """What random choices of a decision are made from: equal for a call and its retries, and for a replay of either.

    ``place`` is the row's index in its call. Without a request id every call is a case of its own.
    """
    return f"{len(request_id)}:{request_id}/{place}/{unit}" if request_id else prediction_id

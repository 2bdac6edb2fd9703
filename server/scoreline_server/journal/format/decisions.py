"""The columns of decisions: what policies decided for rows, in the same block as their scores."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from scoreline_server.journal.format.columns import Column, packed_json
from scoreline_server.scoring.decided import DecidedRow, DecidedRows
from scoreline_server.scoring.results import ScoredBatch

NO_POLICY = 65535

NAMES = ("strategy", "rule", "action", "withheld", "variant", "language", "channel")
"""The columns of DECISION_NAMES: fields of ``DecidedRow``."""
NUMBERS = ("propensity", "expected_value", "cost", "variant_propensity")
"""The columns of DECISION_NUMBERS: fields of ``DecidedRow``."""

_NAN = float("nan")
_Own = TypeVar("_Own")
_UNDECIDED = (0.0,) * len(NUMBERS)

_TYPES: Mapping[str, str] = {
    "policy": "string",
    "revision": "int64",
    **dict.fromkeys(NAMES, "string"),
    **dict.fromkeys(NUMBERS, "float64"),
    "control": "bool",
    "suppressed": "string",
    "flags": "string",
    "shadows": "string",
}


def packed_decisions(batches: Sequence[ScoredBatch]) -> dict[Column, bytes]:
    """The columns of the rows of some batches; none where no policy decided for any of them."""
    if all(batch.decisions is None for batch in batches):
        return {}
    texts = _Texts()
    policies: dict[tuple[str, int], int] = {}
    deciding = [_policy_index(batch.decisions, policies) for batch in batches]
    rows = list(chain.from_iterable(map(_rows, batches)))
    policy = np.repeat(np.array(deciding, "<u2"), [len(batch.rows) for batch in batches])
    policy[[row for row, decided in enumerate(rows) if decided is None]] = NO_POLICY
    columns = {
        Column.DECISION_POLICIES: packed_json(list(policies)),
        Column.DECISION_POLICY: policy.tobytes(),
        Column.DECISION_NAMES: _array([_names(row, texts) for row in rows], "<u2"),
        Column.DECISION_NUMBERS: _array([_numbers(row) for row in rows], "<f8"),
        **_optional(rows, texts),
    }
    return {Column.DECISION_TEXTS: packed_json(list(texts)), **columns}


class _Texts(dict[str, int]):
    """The place of each distinct text."""

    def __init__(self) -> None:
        super().__init__({"": 0})

    def __missing__(self, text: str) -> int:
        self[text] = place = len(self)
        return place


def _policy_index(decisions: DecidedRows | None, policies: dict[tuple[str, int], int]) -> int:
    if decisions is None:
        return NO_POLICY
    return policies.setdefault((decisions.policy, decisions.revision), len(policies))


def _rows(batch: ScoredBatch) -> Sequence[DecidedRow | None]:
    return [None] * len(batch.rows) if batch.decisions is None else batch.decisions.rows


def _names(row: DecidedRow | None, texts: _Texts) -> Sequence[int]:
    return [0] * len(NAMES) if row is None else [texts[getattr(row, name)] for name in NAMES]


def _numbers(row: DecidedRow | None) -> Sequence[float]:
    if row is None:
        return _UNDECIDED
    value = _NAN if row.expected_value is None else row.expected_value
    return row.propensity, value, row.cost, row.variant_propensity


def _optional(rows: Sequence[DecidedRow | None], texts: _Texts) -> dict[Column, bytes]:
    """The columns that most blocks do not need."""
    columns: dict[Column, bytes] = {}
    control = bytes(row is not None and row.is_control for row in rows)
    if any(control):
        columns[Column.DECISION_CONTROL] = control
    suppressed = {
        at: [[texts[text] for text in each] for each in row.suppressed]
        for at, row in enumerate(rows)
        if row is not None and row.suppressed
    }
    if suppressed:
        columns[Column.SUPPRESSED] = packed_json(suppressed)
    flags = {at: [texts[flag] for flag in row.flags] for at, row in enumerate(rows) if row is not None and row.flags}
    if flags:
        columns[Column.DECISION_FLAGS] = packed_json(flags)
    strategies = list(dict.fromkeys(name for row in rows if row is not None for name in row.shadows))
    if strategies:
        actions = [[texts[row.shadows.get(name, "") if row else ""] for name in strategies] for row in rows]
        columns[Column.SHADOW_STRATEGIES] = packed_json(strategies)
        columns[Column.SHADOW_ACTIONS] = _array(actions, "<u2")
    return columns


def _array(rows: Sequence[Sequence[float]], dtype: str) -> bytes:
    return np.array(rows, dtype).tobytes()


class DecisionArrays:
    """The decisions for the N selected rows of one block. Every array has one entry per row.

    Attributes:
        texts: what ``names`` and ``shadow_actions`` point to; the first is empty, for none.
        policies: the name of each policy and the registry's revision that it was adopted from.
        policy: uint16 [N], indices into ``policies``, NO_POLICY for rows that were only scored.
        names: uint16 [N, 7], indices into ``texts``, one column for each of NAMES.
        numbers: float64 [N, 4], one column for each of NUMBERS; NaN where an action has no expected value.
        control: bool [N], units in the control share.
        shadow_strategies: the names of strategies that decided beside the others.
        shadow_actions: uint16 [N, strategies], indices into ``texts``, 0 where a strategy did not decide.
        suppressed: by row, the action, limit and kind of each action that a limit forbade.
        flags: by row, the flags of the policy that hold.
    """

    def __init__(self, raw: Mapping[int, memoryview], height: int, kept: npt.NDArray[np.bool_] | None = None) -> None:
        """``raw`` are the columns of a block of ``height`` rows that has DECISION_POLICY; ``kept`` bool [height]."""
        self._raw, self._height, self._kept = raw, height, kept
        self.texts: list[str] = self._json(Column.DECISION_TEXTS, [""])
        self.policies: list[tuple[str, int]] = [(name, revision) for name, revision in self._json(_POLICIES, [])]
        self.policy: npt.NDArray[np.uint16] = self._array(Column.DECISION_POLICY, "<u2", 1)[:, 0]
        self.names: npt.NDArray[np.uint16] = self._array(Column.DECISION_NAMES, "<u2", len(NAMES))
        self.numbers: npt.NDArray[np.float64] = self._array(Column.DECISION_NUMBERS, "<f8", len(NUMBERS))
        self.control: npt.NDArray[np.bool_] = self._array(Column.DECISION_CONTROL, "u1", 1)[:, 0] != 0
        self.shadow_strategies: list[str] = self._json(Column.SHADOW_STRATEGIES, [])
        width = len(self.shadow_strategies)
        self.shadow_actions: npt.NDArray[np.uint16] = self._array(Column.SHADOW_ACTIONS, "<u2", width)
        self.suppressed: Mapping[int, Sequence[Sequence[str]]] = self._suppressed()
        self.flags: Mapping[int, Sequence[str]] = self._flags()

    def __len__(self) -> int:
        return len(self.policy)

    def values(self) -> dict[str, list[Any]]:
        """The values of each ``decision.<name>``; None in rows that were only scored, and where there is none."""
        decided = (self.policy != NO_POLICY).tolist()
        return {f"decision.{name}": _where(decided, values) for name, values in self._values()}

    def _values(self) -> Iterator[tuple[str, list[Any]]]:
        policies = [*self.policies, ("", 0)]
        places = np.minimum(self.policy, len(self.policies)).tolist()
        yield "policy", [policies[at][0] for at in places]
        yield "revision", [policies[at][1] for at in places]
        for at, name in enumerate(NAMES):
            yield name, [self.texts[text] or None for text in self.names[:, at].tolist()]
        for at, name in enumerate(NUMBERS):
            yield name, [None if number != number else number for number in self.numbers[:, at].tolist()]  # noqa: PLR0124  NaN
        yield "control", self.control.tolist()
        yield "suppressed", [_json_text(self.suppressed.get(row)) for row in range(len(self))]
        yield "flags", [_json_text(self.flags.get(row)) for row in range(len(self))]
        yield "shadows", [_json_text(self._shadows(row)) for row in self.shadow_actions.tolist()]

    def _shadows(self, actions: Sequence[int]) -> Mapping[str, str]:
        pairs = zip(self.shadow_strategies, actions, strict=True)
        return {strategy: self.texts[action] for strategy, action in pairs if action}

    def _array(self, column: Column, dtype: str, width: int) -> npt.NDArray[Any]:
        """A column [N, width]; zeros where it was left out."""
        if column not in self._raw:
            return np.zeros((self._height if self._kept is None else int(self._kept.sum()), width), dtype)
        values = np.frombuffer(self._raw[column], dtype).reshape(self._height, width)
        return values if self._kept is None else values[self._kept]

    def _suppressed(self) -> dict[int, list[list[str]]]:
        found: Mapping[str, list[list[int]]] = self._json(Column.SUPPRESSED, {})
        return self._of_kept(
            {int(row): [[self.texts[at] for at in each] for each in own] for row, own in found.items()}
        )

    def _flags(self) -> dict[int, list[str]]:
        found: Mapping[str, list[int]] = self._json(Column.DECISION_FLAGS, {})
        return self._of_kept({int(row): [self.texts[at] for at in own] for row, own in found.items()})

    def _of_kept(self, by_row: dict[int, _Own]) -> dict[int, _Own]:
        """What selected rows have, by their place among them."""
        if self._kept is None:
            return by_row
        places = np.cumsum(self._kept) - 1
        return {int(places[row]): own for row, own in by_row.items() if self._kept[row]}

    def _json(self, column: Column, otherwise: Any) -> Any:
        return json.loads(bytes(self._raw[column])) if column in self._raw else otherwise


_POLICIES = Column.DECISION_POLICIES


def decision_types(raw: Mapping[int, memoryview]) -> Mapping[str, str]:
    """The type of each ``decision.<name>``; none where no policy decided."""
    if Column.DECISION_POLICY not in raw:
        return {}
    return {f"decision.{name}": kind for name, kind in _TYPES.items()}


def decision_columns(raw: Mapping[int, memoryview], count: int) -> dict[str, list[Any]]:
    """The values of each ``decision.<name>`` in ``count`` rows; none where no policy decided."""
    return DecisionArrays(raw, count).values() if Column.DECISION_POLICY in raw else {}


def _where(decided: Sequence[bool], values: Sequence[Any]) -> list[Any]:
    return [value if known else None for known, value in zip(decided, values, strict=True)]


def _json_text(value: Any) -> str | None:
    return packed_json(value).decode() if value else None

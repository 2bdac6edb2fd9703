"""Which rules can never match.

A test is constant between the values that tests of the same key mention, so trying one value from each such piece
decides exactly. A condition too wide to unfold counts as one that may match: the answer "never" is always right.
"""

import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence

from scoreline_registry.routing.conditions import All, AnyOf, Condition, ContextValue, Not, Test

MAX_CLAUSES = 2000

# A test, and whether it has to hold or to fail.
_Literal = tuple[Test, bool]
_Clause = tuple[_Literal, ...]

_ALWAYS = All(())


def dead_rules(conditions: Sequence[Condition | None]) -> list[int]:
    """The indices of rules that no context reaches: contradictory, or covered by the rules before them.

    ``conditions`` are those of an ordered list of rules, the first that matches decides; None is always.
    """
    dead = []
    for index, condition in enumerate(conditions):
        earlier = [Not(other or _ALWAYS) for other in conditions[:index]]
        if never_matches(condition or _ALWAYS) or never_matches(All((condition or _ALWAYS, *earlier))):
            dead.append(index)
    return dead


def never_matches(condition: Condition) -> bool:
    """True only when no context at all satisfies the condition."""
    try:
        clauses = _clauses(condition, wanted=True)
    except _TooWideError:
        return False
    return not any(_satisfiable(clause) for clause in clauses)


class _TooWideError(Exception):
    """Unfolding the condition would take more than MAX_CLAUSES clauses."""


def _clauses(condition: Condition, *, wanted: bool) -> list[_Clause]:
    """Unfolds a condition, or its opposite, into clauses: it holds when all literals of one clause do."""
    match condition:
        case Test():
            return [((condition, wanted),)]
        case Not(part):
            return _clauses(part, wanted=not wanted)
        case All(parts) | AnyOf(parts):
            unfolded = (_clauses(part, wanted=wanted) for part in parts)
            return _product(unfolded) if isinstance(condition, All) == wanted else _union(unfolded)


def _product(unfolded: Iterable[list[_Clause]]) -> list[_Clause]:
    clauses: list[_Clause] = [()]
    for more in unfolded:
        if len(clauses) * len(more) > MAX_CLAUSES:
            raise _TooWideError
        clauses = [left + right for left in clauses for right in more]
    return clauses


def _union(unfolded: Iterable[list[_Clause]]) -> list[_Clause]:
    clauses = [clause for more in unfolded for clause in more]
    if len(clauses) > MAX_CLAUSES:
        raise _TooWideError
    return clauses


def _satisfiable(clause: _Clause) -> bool:
    by_key: dict[str, list[_Literal]] = defaultdict(list)
    for literal in clause:
        by_key[literal[0].key].append(literal)
    return all(_some_value_fits(key, literals) for key, literals in by_key.items())


def _some_value_fits(key: str, literals: Sequence[_Literal]) -> bool:
    return any(
        all(test.matches({key: value}) == wanted for test, wanted in literals)
        for value in _candidates(test for test, _ in literals)
    )


def _candidates(tests: Iterable[Test]) -> list[ContextValue]:
    """One value from every piece in which all tests are constant: missing, flags, numbers and texts."""
    numbers, texts = set[float](), set[str]()
    for test in tests:
        for value in _mentioned(test):
            if isinstance(value, str):
                texts |= {value, _after_prefix(value)} if test.operator == "prefix" else {value}
            elif not isinstance(value, bool):
                numbers.add(value)
    return [None, True, False, *_number_pieces(sorted(numbers)), *_text_pieces(sorted(texts))]


def _mentioned(test: Test) -> Iterable[str | float | bool]:
    if test.operator in ("in", "not_in"):
        return [value for _, value in test.operand]
    return [test.operand]


def _number_pieces(points: Sequence[float]) -> list[float]:
    """The points, and one number before, after and between them; two neighbouring floats have none between."""
    after = [math.nextafter(point, math.inf) for point in points]
    return [math.nextafter(points[0], -math.inf), *points, *after] if points else [0.0]


def _text_pieces(points: Sequence[str]) -> list[str]:
    """The points, the least text, and the text that directly follows each point."""
    return ["", *points, *(f"{point}\x00" for point in points)]


def _after_prefix(prefix: str) -> str:
    """The least text above every text that starts with ``prefix``; ``prefix`` itself where there is none."""
    head = prefix.rstrip(chr(sys.maxunicode))
    return head[:-1] + chr(ord(head[-1]) + 1) if head else prefix

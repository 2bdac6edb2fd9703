"""Recourse by branch and bound over the trees of a version, with the library treecf (extra ``recourse``).

It proves optima over many free numbers, where the search by scores tries too few of their combinations to know. What it
finds is scored by the model that serves, like all else.
"""

import math
import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np

from scoreline_registry.attributions.trees import TreeArrays
from scoreline_registry.recourse.arrays import Float32, Float64, Score, not_above, not_below
from scoreline_registry.recourse.forests import Forest, Matrices
from scoreline_registry.recourse.problem import Problem
from scoreline_registry.recourse.search import Found, Way, search

LIBRARY = "treecf"
SECONDS = 0.08
"""The longest time of a proof."""

_NODES = 2_000_000
_MOST_LEVERS = 20
# The sum of the trees in double precision and the graph's in single differ by less.
_SLACK = 1e-5


def is_installed() -> bool:
    """Whether the library is there."""
    return find_spec(LIBRARY) is not None


class TreeEngine:
    """The search by scores, and a proof by the trees where it has none. Is an ``Engine``.

    Where the trees prove another way to be the cheapest, it comes first.
    """

    def __init__(self, forest: Forest, matrices: Matrices, *, is_probability: bool, seconds: float = SECONDS) -> None:
        """``forest`` has the trees of a version and ``matrices`` makes what they are over.

        ``is_probability`` says that scores are sigmoids of the margin, which else is the score.
        """
        self._forest, self._matrices = forest, matrices
        self._is_probability, self._seconds = is_probability, seconds

    def __call__(self, problem: Problem, score: Score, *, ways: int, most_rows: int) -> Found:
        """The ways that were found, with the proven cheapest first where there is a proof."""
        found = search(problem, score, ways=ways, most_rows=most_rows)
        if found.is_exact or not self._fits(problem):
            return found
        values = self._solved(problem, score)
        if values is None:
            return found
        if not len(values):
            return replace(found, is_exact=not found.ways, engine=LIBRARY)
        return _joined(problem, score, found, values, ways)

    def _fits(self, problem: Problem) -> bool:
        """Whether the trees decide the score, and the library knows all limits of the problem."""
        parts = {part for each in problem.derived for part in each.parts}
        return (
            self._forest.is_sum
            and len(self._forest.parts) == 1
            and len(problem.levers) <= _MOST_LEVERS
            and all(
                not lever.is_category
                and lever.column not in parts
                and self._forest.compared[lever.column]
                and (self._forest.inputs[0] == lever.column).sum() <= 1
                and lever.low <= float(problem.row[lever.column]) <= lever.high
                for lever in problem.levers
            )
        )

    def _solved(self, problem: Problem, score: Score) -> Float32 | None:
        """New values float32 [levers] that nothing cheaper than reaches the target, an empty array where nothing does.

        None without a proof. The trees' target is a little wider, so that rounding does not weaken what is proven.
        """
        import treecf

        warnings.filterwarnings("ignore", category=treecf.TreecfWarning)
        matrix = self._matrices(problem.row[None])[self._forest.parts[0][0]]
        rest = self._margin(float(score(problem.row[None])[0])) - float(self._forest.parts[0][1].margin(matrix)[0])
        edge = self._margin(problem.target.edge) - rest
        rises = problem.target.at_least is not None
        if not math.isfinite(edge):
            return None
        target = treecf.Target.raw(op=">=" if rises else "<=", value=edge - _SLACK if rises else edge + _SLACK)
        explainer = treecf.Explainer(self._ensemble, **self._limits(problem))
        answer = explainer.explain(
            matrix[0].astype(np.float64),
            target,
            backend="exact",
            time_budget_s=self._seconds,
            node_budget=_NODES,
            warm_start=False,
            seed=0,
        )
        if isinstance(answer, treecf.Infeasible):
            return np.empty(0, np.float32) if answer.proof == "certified" else None
        if not isinstance(answer, treecf.Counterfactual) or answer.proof != "optimal":
            return None
        values = self._values(problem, answer.x_cf)
        return values if np.isfinite(values).sum() <= problem.most_changes else None

    def _margin(self, score: float) -> float:
        if not self._is_probability:
            return score
        return math.log(score) - math.log1p(-score) if 0 < score < 1 else math.copysign(math.inf, score - 0.5)

    def _columns(self, problem: Problem) -> Mapping[int, int]:
        """The column of each lever among those of the trees, by the lever's place, where there is one."""
        inputs = self._forest.inputs[0].tolist()
        return {
            place: inputs.index(lever.column) for place, lever in enumerate(problem.levers) if lever.column in inputs
        }

    def _limits(self, problem: Problem) -> dict[str, Any]:
        """The arguments of an Explainer: what may change, at which cost."""
        import treecf

        names = self._ensemble.feature_names
        columns = self._columns(problem)
        constraints: list[Any] = [treecf.Freeze(name) for at, name in enumerate(names) if at not in columns.values()]
        spreads, steps = dict.fromkeys(names, 1.0), {}
        for place, column in columns.items():
            lever, name = problem.levers[place], names[column]
            spreads[name] = 1 / lever.unit_cost
            if math.isfinite(lever.low) or math.isfinite(lever.high):
                constraints.append(treecf.Range(name, lever.low, lever.high))
            if lever.step is not None:
                steps[name] = treecf.Grid(lever.step)
        return {"constraints": constraints, "normalizers": spreads, "value_policy": steps}

    def _values(self, problem: Problem, row: Float64) -> Float32:
        """The new values of levers as float32 on the same side of all that is compared, NaN where they stay."""
        values = np.full(len(problem.levers), np.nan, np.float32)
        for place, column in self._columns(problem).items():
            present, new = float(problem.row[problem.levers[place].column]), float(row[column])
            if new != present:
                values[place] = not_below(new) if new > present else not_above(new)
        return values

    @cached_property
    def _ensemble(self) -> Any:
        """The trees as the library has them."""
        from treecf.ir import EnsembleIR, Link, Tree

        trees = self._forest.parts[0][1]
        count = len(self._forest.inputs[0])
        made = tuple(Tree(tuple(_nodes(trees, root))) for root in trees.roots.tolist())
        return EnsembleIR(made, 0.0, Link.IDENTITY, count, tuple(f"c{at}" for at in range(count)), {})


def _nodes(trees: TreeArrays, root: int) -> list[Any]:
    from treecf.ir import Node, SplitOp

    order = trees.below(root)
    places = {node: place for place, node in enumerate(order)}
    nodes = []
    for place, node in enumerate(order):
        column = int(trees.column[node])
        if column < 0:
            nodes.append(Node(place, None, None, None, None, None, None, float(trees.value[node])))
        else:
            yes, no = places[int(trees.yes[node])], places[int(trees.no[node])]
            threshold, lacking = float(trees.threshold[node]), bool(trees.missing[node])
            nodes.append(Node(place, column, threshold, SplitOp.LE, lacking, yes, no, None))
    return nodes


def _joined(problem: Problem, score: Score, found: Found, values: Float32, ways: int) -> Found:
    """The ways with the proven cheapest in front; as they were where it does not meet the target when it is scored."""
    rows, fits = problem.moved(values[None])
    scored = score(rows)
    counted = replace(found, rows_scored=found.rows_scored + 2)
    if not fits[0] or not problem.target.met(scored)[0]:
        return counted
    best = Way(rows[0], float(problem.costs_of(values[None])[0]), float(scored[0]))
    proven = replace(counted, is_exact=True, engine=LIBRARY)
    if found.ways and found.ways[0].cost <= best.cost:
        return proven
    changed = best.row != problem.row
    others = [way for way in found.ways if not (way.row != problem.row)[changed].all()]
    return replace(proven, ways=(best, *others[: ways - 1]))

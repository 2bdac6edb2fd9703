"""``reasons.npz``: what a server needs to compute the contributions to a version's scores, without its training code.

The file holds the inputs of the cohort that rows are compared with. Where the margin is a sum of trees and of columns
times weights, it holds these terms and a graph that makes the matrices that they are over; without terms contributions
are sampled by the served graph. ``facts`` is JSON as bytes, everything else plain arrays.
"""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from scoreline_registry.attributions.trees import Float64, Int32, TreeArrays

REASONS_SCHEMA = 1
"""Written by this release; files of a later schema are refused."""

Link = Literal["log odds", "identity"]
"""What the margin is: the log odds of a score that is a probability, or the score itself."""

Arrays = Mapping[str, npt.NDArray[Any]]

_COHORT = "cohort."
_OF_NODES = ("column", "threshold", "missing", "yes", "no", "value")


class ReasonFileError(ValueError):
    """A ``reasons.npz`` that cannot be read."""


@dataclass(frozen=True, slots=True)
class ReasonFacts:
    """What is said of a file.

    Attributes:
        link: what the margin is.
        players: how many sources there are.
        base: the mean margin of the cohort.
        rows: how many rows the cohort has.
        near: the score that they are nearest to; None for rows drawn at random.
        schema: of the file.
    """

    link: Link
    players: int
    base: float
    rows: int
    near: float | None = None
    schema: int = REASONS_SCHEMA


@dataclass(frozen=True, slots=True, eq=False)
class TreesTerm:
    """Trees over a matrix float32 [N, C]; ``sources`` int32 [C], which source each column was made of."""

    matrix: str
    trees: TreeArrays
    sources: Int32


@dataclass(frozen=True, slots=True, eq=False)
class WeightsTerm:
    """Columns of a matrix [N, C] times ``weights`` float64 [C]; ``sources`` as for trees, -1 for none."""

    matrix: str
    weights: Float64
    sources: Int32


Term = TreesTerm | WeightsTerm


@dataclass(frozen=True, slots=True, eq=False)
class ReasonFile:
    """The content of a file.

    Attributes:
        facts: what is said of it.
        cohort: the graph inputs of the cohort, by name.
        terms: of the margin; empty where contributions are sampled.
        graph: an ONNX graph that makes the matrices of the terms; empty where they are inputs.
    """

    facts: ReasonFacts
    cohort: Arrays
    terms: tuple[Term, ...] = ()
    graph: bytes = b""

    @property
    def matrices(self) -> tuple[str, ...]:
        """The distinct matrices of the terms."""
        return tuple(dict.fromkeys(term.matrix for term in self.terms))

    def write(self) -> bytes:
        """The bytes of the file; equal contents give equal bytes."""
        terms = [{"kind": _KINDS[type(term)], "matrix": term.matrix} for term in self.terms]
        facts = json.dumps({**asdict(self.facts), "terms": terms}, sort_keys=True)
        arrays: dict[str, npt.NDArray[Any]] = {"facts": np.frombuffer(facts.encode(), np.uint8)}
        arrays |= {f"{_COHORT}{name}": array for name, array in self.cohort.items()}
        if self.graph:
            arrays["graph"] = np.frombuffer(self.graph, np.uint8)
        for place, term in enumerate(self.terms):
            arrays |= {f"term{place}.{name}": array for name, array in _arrays_of(term).items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    @classmethod
    def read(cls, data: bytes) -> "ReasonFile":
        """Reads what ``write`` wrote. Raises ReasonFileError."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            facts = json.loads(arrays["facts"].tobytes())
            if facts["schema"] > REASONS_SCHEMA:
                raise ReasonFileError(
                    f"schema {facts['schema']} is of a later release, this one reads {REASONS_SCHEMA}"
                )
            known = ReasonFacts(**{each.name: facts[each.name] for each in fields(ReasonFacts)})
            cohort = {name.removeprefix(_COHORT): each for name, each in arrays.items() if name.startswith(_COHORT)}
            terms = tuple(_term(place, each, arrays, known.players) for place, each in enumerate(facts["terms"]))
            graph = arrays["graph"].tobytes() if "graph" in arrays else b""
            _check_facts(known, cohort)
            return cls(known, cohort, terms, graph)
        except ReasonFileError:
            raise
        except (KeyError, TypeError, ValueError, OSError, AttributeError, zipfile.BadZipFile) as error:
            raise ReasonFileError(f"it cannot be read: {type(error).__name__} {error}") from error


_KINDS = {TreesTerm: "trees", WeightsTerm: "weights"}

_T = TypeVar("_T", bound=np.generic)


def _arrays_of(term: Term) -> Arrays:
    if isinstance(term, WeightsTerm):
        return {"weights": term.weights, "sources": term.sources}
    return {"sources": term.sources, **{name: getattr(term.trees, name) for name in (*_OF_NODES, "roots")}}


def _check_facts(facts: ReasonFacts, cohort: Arrays) -> None:
    if facts.link not in ("log odds", "identity"):
        raise ReasonFileError(f"the link {facts.link!r} is unknown")
    if not cohort or {len(each) for each in cohort.values()} != {facts.rows} or facts.rows < 1:
        raise ReasonFileError(f"the cohort does not have {facts.rows} rows in every input")
    if facts.players < 1 or not np.isfinite(facts.base):
        raise ReasonFileError("the number of sources or the base value makes no sense")


def _term(place: int, facts: Mapping[str, str], arrays: Arrays, players: int) -> Term:
    def array(name: str, dtype: type[_T]) -> npt.NDArray[_T]:
        found = arrays[f"term{place}.{name}"]
        if found.dtype != dtype or found.ndim != 1:
            raise ReasonFileError(f"term {place}: {name} is {found.dtype} {list(found.shape)}")
        return found

    sources = array("sources", np.int32)
    if len(sources) and (sources.min() < -1 or sources.max() >= players):
        raise ReasonFileError(f"term {place}: a column is of source {sources.max()}, there are {players}")
    if facts["kind"] == "weights":
        weights = array("weights", np.float64)
        if len(weights) != len(sources):
            raise ReasonFileError(f"term {place}: {len(weights)} weights of {len(sources)} columns")
        return WeightsTerm(facts["matrix"], weights, sources)
    if facts["kind"] != "trees":
        raise ReasonFileError(f"term {place}: the kind {facts['kind']!r} is unknown")
    trees = TreeArrays(
        column=array("column", np.int32),
        threshold=array("threshold", np.float32),
        missing=array("missing", np.bool_),
        yes=array("yes", np.int32),
        no=array("no", np.int32),
        value=array("value", np.float64),
        roots=array("roots", np.int32),
    )
    problem = next(_tree_problems(trees, sources), None)
    if problem:
        raise ReasonFileError(f"term {place}: {problem}")
    return TreesTerm(facts["matrix"], trees, sources)


def _tree_problems(trees: TreeArrays, sources: Int32) -> Iterator[str]:
    """Why arrays are no trees: a walk through them must end."""
    nodes, inner = len(trees.column), trees.column >= 0
    if {len(getattr(trees, name)) for name in _OF_NODES} != {nodes}:
        yield "the arrays of nodes have different lengths"
        return
    if trees.column.max(initial=-1) >= len(sources) or (sources[trees.column[inner]] < 0).any():
        yield "a node compares a column without a source"
    children = np.concatenate([trees.yes[inner], trees.no[inner]])
    reached = np.concatenate([children, trees.roots])
    if len(reached) and (reached.min() < 0 or reached.max() >= nodes):
        yield "a node leads to one that is not there"
    elif len(np.unique(reached)) != len(reached):
        yield "two ways lead to one node"

"""``reasons.npz`` of a version: made when it is trained, and compared with its graph by the gate."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx
from pydantic import Field

from scoreline_registry.attributions.blocks import TooManySourcesError
from scoreline_registry.attributions.exact_values import ExactValues
from scoreline_registry.attributions.margins import margins_of, resolution
from scoreline_registry.attributions.online import TooLargeError
from scoreline_registry.attributions.reason_file import (
    ReasonFacts,
    ReasonFile,
    ReasonFileError,
    Term,
    TreesTerm,
    WeightsTerm,
)
from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.manifest import GOLDEN_FILE, MODEL_FILE, REASONS_FILE
from scoreline_registry.documents.signature import SCORE, SIGNATURE
from scoreline_registry.errors import GateError
from scoreline_trainers.data.batch import Batch, Bools, Float64
from scoreline_trainers.data.columns import Spec
from scoreline_trainers.explanation.additive import Margin, margin_of
from scoreline_trainers.explanation.exact import AdditiveExplainer, additive_explainer
from scoreline_trainers.explanation.graph_index import GraphIndex
from scoreline_trainers.explanation.margins import GraphMargin, fetched
from scoreline_trainers.explanation.sources import sources_of
from scoreline_trainers.explanation.subgraph import subgraph
from scoreline_trainers.gate.golden import read_arrays
from scoreline_trainers.graph.scorer import OnnxScorer

TOLERANCE = 1e-5
"""The largest difference of a sum of contributions from the graph's margin, relative to the contributions above 1."""

ROWS, FEWEST_ROWS, MOST_ROWS = 32, 16, 64

_SCORED_ROWS = 20_000


class ReasonSpec(Spec):
    """Which rows a version's reasons compare with.

    Attributes:
        near: a score, or the band at whose start they lie; by default where the highest band starts, and without bands
            the score above which as many validation rows are as have label 1.
        rows: how many training rows with the nearest scores.
        skip: leaves ``reasons.npz`` out.
    """

    near: float | str | None = None
    rows: int = Field(default=ROWS, ge=FEWEST_ROWS, le=MOST_ROWS)
    skip: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Graph:
    """A version's graph, parsed and opened."""

    proto: onnx.ModelProto
    index: GraphIndex
    margin: Margin
    margins: GraphMargin
    scorer: OnnxScorer

    @classmethod
    def of(cls, model: bytes) -> "_Graph":
        proto = onnx.load_from_string(model)
        index = GraphIndex.of(proto)
        margin = margin_of(index)
        return cls(proto, index, margin, GraphMargin.of(proto, margin), OnnxScorer(model))

    def scores(self, batch: Batch) -> Float64:
        """The scores of rows, as a server answers them."""
        scores: Float64 = fetched(self.scorer, [SCORE], batch)[SCORE]
        return scores


def reasons_file(
    model: bytes,
    inputs: InputContract,
    *,
    training: Batch,
    golden: bytes,
    near: float | None,
    spec: ReasonSpec,
    seed: int,
) -> bytes:
    """``reasons.npz`` of a model; equal arguments give equal bytes.

    Args:
        model: its graph.
        inputs: its contract.
        training: rows that it learned from, of which the cohort is taken.
        golden: ``golden.npz``, on whose rows exact contributions must add up.
        near: the score that the cohort's are nearest to; None draws the cohort at random.
        spec: how many rows.
        seed: of what is drawn.
    """
    graph = _Graph.of(model)
    drawn = training.take(np.sort(np.random.default_rng(seed).permutation(len(training))[:_SCORED_ROWS]))
    if near is None:
        cohort = drawn.take(np.sort(np.random.default_rng(seed).permutation(len(drawn))[: spec.rows]))
    else:
        distance = np.abs(graph.scores(drawn).astype(np.float64) - near)
        cohort = drawn.take(np.sort(np.argsort(distance, kind="stable")[: spec.rows]))
    sampled = _sampled(graph, inputs, cohort, near)
    exact = additive_explainer(graph.proto, graph.index, graph.margin, inputs, cohort)
    if exact is not None:
        file = _exact(graph, exact, sampled)
        if not any(_exact_problems(graph, file, _inputs_of(golden))):
            return file.write()
    return sampled.write()


def check_reasons(model: str, inputs: InputContract, files: Mapping[str, bytes]) -> None:
    """Compares ``reasons.npz`` of a version with its graph, where it has one. Raises GateError."""
    problems = reason_problems(inputs, files)
    if problems:
        raise GateError(f"version of {model}", problems)


def reason_problems(inputs: InputContract, files: Mapping[str, bytes]) -> list[str]:
    """Why a version with these files must not be published, by its ``reasons.npz``; none where it has no such file."""
    if REASONS_FILE not in files:
        return []
    try:
        file = ReasonFile.read(files[REASONS_FILE])
        cohort = Batch(**file.cohort)
    except (ReasonFileError, TypeError, ValueError) as error:
        return [f"{REASONS_FILE}: {error}"]
    golden = _inputs_of(files[GOLDEN_FILE])
    return [f"{REASONS_FILE}: {each}" for each in _problems(_Graph.of(files[MODEL_FILE]), inputs, file, cohort, golden)]


def _problems(graph: _Graph, inputs: InputContract, file: ReasonFile, cohort: Batch, golden: Batch) -> Iterator[str]:
    facts = file.facts
    if facts.players != len(sources_of(inputs)):
        yield f"it has {facts.players} sources, the contract {len(sources_of(inputs))}"
        return
    if facts.link != graph.margin.link:
        yield f"it is of {facts.link}, the graph's margin of {graph.margin.link}"
        return
    scores = graph.scores(cohort)
    mean = float((graph.margins.margins(cohort) if file.terms else margins_of(scores, facts.link)).mean())
    allowed = TOLERANCE * max(1.0, abs(mean)) if file.terms else float(resolution(scores, facts.link).mean())
    # Written so that NaN is a problem too.
    if not abs(facts.base - mean) <= allowed:
        yield f"it states the base value {facts.base:.7g}, the graph gives {mean:.7g}"
    if file.terms:
        yield from _exact_problems(graph, file, golden)


def _sampled(graph: _Graph, inputs: InputContract, cohort: Batch, near: float | None) -> ReasonFile:
    """The file of a version whose contributions are sampled."""
    link = graph.margin.link
    base = float(margins_of(graph.scores(cohort), link).mean())
    return ReasonFile(ReasonFacts(link, len(sources_of(inputs)), base, len(cohort), near), cohort.feeds())


def _exact(graph: _Graph, explainer: AdditiveExplainer, sampled: ReasonFile) -> ReasonFile:
    """The same with the terms of the margin."""
    trees = {id(each.trees): (name, each) for name, each in explainer.trees}
    terms: list[Term] = [TreesTerm(name, each.trees, each.sources) for name, each in trees.values()]
    terms += [WeightsTerm(term.matrix, term.weights, sources) for term, _, sources in explainer.linear]
    inner = [name for name in dict.fromkeys(term.matrix for term in terms) if name not in SIGNATURE]
    part = subgraph(graph.proto, inner) if inner else b""
    return replace(sampled, facts=replace(sampled.facts, base=explainer.base), terms=tuple(terms), graph=part)


def _exact_problems(graph: _Graph, file: ReasonFile, golden: Batch) -> Iterator[str]:
    """Why exact contributions must not be published: rows must add up, or be such that a server samples them."""
    cohort = Batch(**file.cohort)
    try:
        found = ExactValues.of(file, _matrices(file, cohort))
    except (TooLargeError, TooManySourcesError, ValueError) as error:
        yield str(error)
        return
    for name, batch in (("cohort", cohort), ("golden", golden)):
        values = found.of_rows(_matrices(file, batch))
        sums = file.facts.base + values.sum(axis=1)
        wrong = _differing(sums, np.abs(values).sum(axis=1), graph.margins.margins(batch))
        if name == "golden":
            # A graph may cut the log odds of rows far beyond any that it learned from.
            scores = graph.scores(batch)
            wrong &= np.abs(margins_of(scores, file.facts.link) - sums) <= resolution(scores, file.facts.link)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            yield f"the contributions of {name} row {row} do not add up to its margin ({int(wrong.sum())} rows)"


def _differing(sums: Float64, sizes: Float64, margins: Float64) -> Bools:
    agree: Bools = np.abs(sums - margins) <= TOLERANCE * np.maximum(1, np.maximum(sizes, np.abs(margins)))
    return ~agree


def _matrices(file: ReasonFile, batch: Batch) -> Mapping[str, Float64]:
    """The matrices of a file's terms, as a server makes them."""
    feeds = batch.feeds()
    made = [name for name in file.matrices if name not in feeds]
    if not made:
        return {name: feeds[name] for name in file.matrices}
    scorer = OnnxScorer(file.graph)
    needed = {name: feeds[name] for name in scorer.inputs}
    return {**feeds, **dict(zip(made, scorer.fetch(made, needed), strict=True))}


def _inputs_of(golden: bytes) -> Batch:
    arrays = read_arrays(golden)
    return Batch(**{name: arrays[name] for name in SIGNATURE if name in arrays})

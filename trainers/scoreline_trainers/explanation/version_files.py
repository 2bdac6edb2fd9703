"""The files of a version that explain it, made and checked."""

from collections.abc import Mapping
from dataclasses import dataclass

import onnx
from pydantic import Field, ValidationError
from scipy.special import expit

from scoreline_registry.attributions.blocks import TooManySourcesError
from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.manifest import EXPLANATION_FILE, MODEL_FILE, REFERENCE_FILE
from scoreline_registry.errors import GateError, first_line
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.columns import Spec
from scoreline_trainers.explanation.additive import margin_of
from scoreline_trainers.explanation.cohort import POPULATION_ROWS, Cohort
from scoreline_trainers.explanation.document import Explanation, ReferenceFacts
from scoreline_trainers.explanation.explainers import Explainer, explainer_of
from scoreline_trainers.explanation.graph_index import GraphIndex
from scoreline_trainers.explanation.history import history_profile
from scoreline_trainers.explanation.margins import Attributions, GraphMargin
from scoreline_trainers.explanation.sampled import PAIRS
from scoreline_trainers.explanation.summary import (
    TOP,
    dependence,
    interactions,
    notable_rows,
    ranking,
    sample,
    summary_row,
    waterfall,
)

TOLERANCE = 1e-5
"""The largest difference of a stated base value from the graph's mean margin, relative to values above 1."""

SAMPLED_WORK = 50_000
"""Evaluations of the graph that a sampled explanation of a version may take."""

TREE_WORK = 20_000_000
"""Visits of nodes of trees that an exact explanation of a version may take."""

FEWEST_EXACT = 100
"""Rows that an exact explanation must afford; where trees are too large for that, the version's is sampled."""


class ExplainSpec(Spec):
    """How a version is explained when it is trained.

    Attributes:
        rows: at most so many held-out rows are explained; fewer where the model is large, see the guide.
        reference: how many training rows they are compared with.
        skip: leaves the explanation out.
    """

    rows: int = Field(default=2000, ge=1)
    reference: int = Field(default=POPULATION_ROWS, ge=1, le=POPULATION_ROWS)
    skip: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedRows:
    """Held-out rows with their scores, and the score that divides them where there is one."""

    batch: Batch
    scores: Float64
    cut: float | None = None


def explanation_files(
    model: bytes,
    inputs: InputContract,
    *,
    training: Batch,
    held_out: ExplainedRows,
    spec: ExplainSpec,
    seed: int,
    native: object = None,
) -> dict[str, bytes]:
    """``reference.npz`` and ``explanation.json`` of a model; equal arguments give equal bytes.

    Args:
        model: the graph.
        inputs: its contract.
        training: rows that it learned from, of which the cohort is drawn.
        held_out: rows to explain.
        spec: how many.
        seed: of the draws.
        native: the trained model, of which networks have gradients.
    """
    cohort = Cohort.drawn(training, count=spec.reference, seed=seed)
    if held_out.cut is not None:
        near = Cohort.drawn(held_out.batch, held_out.scores, cut=held_out.cut, count=1, seed=seed)
        cohort = Cohort(cohort.population, near.near_cut)
    explainer = explainer_of(model, inputs, cohort.population, seed=seed)
    if not explainer.sampled and TREE_WORK // explainer.cost < min(FEWEST_EXACT, len(held_out.batch)):
        explainer = explainer_of(model, inputs, cohort.population, seed=seed, exact=False)
    try:
        explanation = explain_version(explainer, cohort, held_out, spec=spec, seed=seed)
    except TooManySourcesError:
        explainer = explainer_of(model, inputs, cohort.population, seed=seed, exact=False)
        explanation = explain_version(explainer, cohort, held_out, spec=spec, seed=seed)
    history = history_profile(native, inputs, held_out.batch, cohort.population, seed=seed)
    explanation = explanation.model_copy(update={"history": history})
    return {REFERENCE_FILE: cohort.write(), EXPLANATION_FILE: explanation.model_dump_json().encode()}


def explain_version(
    explainer: Explainer, cohort: Cohort, held_out: ExplainedRows, *, spec: ExplainSpec, seed: int
) -> Explanation:
    """The explanation of a version by its held-out rows."""
    chosen = sample(len(held_out.batch), _affordable(explainer, spec.rows, len(held_out.batch)), seed)
    batch = held_out.batch.take(chosen)
    found = explainer.explain(batch)
    scores = expit(found.margins) if explainer.link == "log odds" else found.margins
    ranked = ranking(explainer.sources, batch, found.values, seed=seed)
    places = {source.name: place for place, source in enumerate(explainer.sources)}
    top = [places[each.name] for each in ranked[:TOP] if each.importance > 0]
    return Explanation(
        method=explainer.method,
        exact=found.errors is None,
        link=explainer.link,
        base_value=found.base,
        near_cut_value=_near_cut_value(explainer, cohort),
        reference=ReferenceFacts(
            population=len(cohort.population), near_cut=len(cohort.near_cut or ()), cut=held_out.cut
        ),
        rows=len(batch),
        standard_error=_mean_error(found),
        ranking=ranked,
        dependence=tuple(dependence(explainer.sources[each], batch, found.values[:, each], seed=seed) for each in top),
        summary=tuple(summary_row(explainer.sources[each], batch, found.values[:, each], seed=seed) for each in top),
        interactions=interactions(explainer, batch, top, seed=seed),
        waterfalls=tuple(
            waterfall(title, row, float(scores[row]), sources=explainer.sources, batch=batch, found=found)
            for title, row in notable_rows(scores, held_out.cut).items()
        ),
    )


def check_explanation(model: str, files: Mapping[str, bytes]) -> None:
    """Compares the files that explain a version with its graph, where it has such files.

    Raises:
        GateError: one of them is missing or cannot be read, or the stated values are not those of the graph.
    """
    there = {REFERENCE_FILE, EXPLANATION_FILE} & files.keys()
    if there:
        problems = explanation_problems(files)
        if problems:
            raise GateError(f"version of {model}", problems)


def explanation_problems(files: Mapping[str, bytes]) -> list[str]:
    """What keeps a version with these files from publication."""
    for name in (REFERENCE_FILE, EXPLANATION_FILE):
        if name not in files:
            return [f"the file {name!r} is missing: the two that explain a version go together"]
    try:
        cohort = Cohort.read(files[REFERENCE_FILE])
        explanation = Explanation.model_validate_json(files[EXPLANATION_FILE])
    except (ValidationError, ValueError, OSError, KeyError, TypeError) as error:
        return [f"{REFERENCE_FILE} or {EXPLANATION_FILE} cannot be read: {first_line(error)}"]
    proto = onnx.load_from_string(files[MODEL_FILE])
    graph = GraphMargin.of(proto, margin_of(GraphIndex.of(proto)))
    stated = [("base value", explanation.base_value, cohort.population)]
    if cohort.near_cut is not None and explanation.near_cut_value is not None:
        stated.append(("value near the cut", explanation.near_cut_value, cohort.near_cut))
    problems = []
    for what, value, rows in stated:
        mean = float(graph.margins(rows).mean())
        # Written so that NaN is a problem too.
        if not abs(value - mean) <= TOLERANCE * max(1.0, abs(mean)):
            problems.append(f"{EXPLANATION_FILE} states the {what} {value:.7g}, the graph gives {mean:.7g}")
    facts = explanation.reference
    if (facts.population, facts.near_cut) != (len(cohort.population), len(cohort.near_cut or ())):
        problems.append(f"{EXPLANATION_FILE} states other numbers of rows than {REFERENCE_FILE} has")
    return problems


def _affordable(explainer: Explainer, rows: int, there: int) -> int:
    """How many rows are explained: within the work allowed, which for small tables is less."""
    work = min(SAMPLED_WORK, 20 * there) if explainer.sampled else TREE_WORK
    return max(min(rows, there, work // explainer.cost), min(there, PAIRS))


def _near_cut_value(explainer: Explainer, cohort: Cohort) -> float | None:
    return None if cohort.near_cut is None else float(explainer.margins(cohort.near_cut).mean())


def _mean_error(found: Attributions) -> float:
    return 0.0 if found.errors is None or not found.errors.size else float(f"{found.errors.mean():.6g}")

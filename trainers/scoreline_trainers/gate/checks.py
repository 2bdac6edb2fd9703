"""The checks that a model must pass before it is published.

The graph is valid, has the standard signature, and gives every row the native model's score within the tolerance:
rows as they come, rows with missing and unseen values, rows exactly on the edges where a score may jump, histories of
every length and any number of neighbors, padded with anything, in batches of any size. What fails is not published,
and the error says which rows differ by how much.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoreline_registry.documents.contract import InputContract, ScoreContract
from scoreline_registry.documents.manifest import GoldenFacts, ParityFacts
from scoreline_registry.documents.ragged import RaggedKind
from scoreline_registry.documents.signature import SCORE
from scoreline_registry.errors import GateError, first_line
from scoreline_trainers.data.batch import Batch, Float32, Float64, RowIndices
from scoreline_trainers.gate.golden import golden_file, golden_rows
from scoreline_trainers.gate.probes import Edges, Probes, make_probes, with_garbage
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.graph.signature import structure_problems

TOLERANCE = 1e-5
BATCH_SIZES = (1, 7, 256)

_BATCHES_PER_SIZE = 8
_ROWS_SHOWN = 3
# The most that a server scores at once. Windows over histories take many times the memory of the histories.
_ROWS_AT_ONCE = 1024

Outputs = Mapping[str, Float32]
Tolerances = Mapping[str, float]
Reference = Callable[[Batch], Mapping[str, Float64]]


@dataclass(frozen=True, slots=True)
class Proof:
    """The facts that the gate measured on a model that passed.

    Attributes:
        rows: how many rows were compared.
        golden: the bytes of ``golden.npz``.
        golden_facts: what a manifest says of them.
        tolerances: output -> the largest difference that passes.
        differences: output -> largest absolute difference from the native model; empty where there was none.
    """

    rows: int
    golden: bytes
    golden_facts: GoldenFacts
    tolerances: Mapping[str, float]
    differences: Mapping[str, float]

    @property
    def parity(self) -> ParityFacts | None:
        """How the score compared, as a manifest states it."""
        if SCORE not in self.differences:
            return None
        return ParityFacts(rows=self.rows, max_difference=self.differences[SCORE], tolerance=self.tolerances[SCORE])


def prove(
    model: bytes,
    *,
    subject: str,
    inputs: InputContract,
    score: ScoreContract,
    samples: Batch,
    reference: Reference | None = None,
    edges: Edges | None = None,
    tolerances: Tolerances | None = None,
    seed: int = 0,
) -> Proof:
    """Runs every check on a serialised model.

    Args:
        model: the bytes of ``model.onnx``.
        subject: what the error calls the model.
        inputs: the contract that the graph must take.
        score: what its score must be, and its extra outputs.
        samples: rows as they come, encoded by ``inputs``.
        reference: every output of the native model by name; without one, parity is not checked.
        edges: feature column -> float32 values at which the score may jump.
        tolerances: output -> the largest absolute difference that passes, where that is not ``TOLERANCE``.
        seed: of the choice of rows.

    Raises:
        GateError: a check failed; it lists every finding.
    """
    _refuse(subject, structure_problems(model, inputs, score))
    scorer = _opened(subject, model)
    allowed = {name: (tolerances or {}).get(name, TOLERANCE) for name in scorer.outputs}
    probes = make_probes(samples, inputs, edges=edges, seed=seed)
    outputs = _run(subject, scorer, probes.batch)
    _refuse(subject, score_problems(outputs[SCORE], score, probes))
    native = {} if reference is None else reference(probes.batch)
    problems = [*_parity_problems(outputs, native, probes, allowed)] if reference else []
    problems += [*_size_problems(subject, scorer, probes, outputs, allowed)]
    for kind in probes.batch.kinds:
        problems += [*_padding_problems(subject, scorer, probes, kind, outputs, allowed)]
    _refuse(subject, problems)
    kept = probes.take(golden_rows(probes))
    differences = {name: float(row_differences(outputs[name], values).max()) for name, values in native.items()}
    return Proof(len(probes), golden_file(scorer, kept), _golden_facts(len(kept), allowed), allowed, differences)


def task_tolerances(own: Tolerances, amount: Float64 | None, score: ScoreContract) -> Tolerances:
    """A model's tolerances by output.

    Of amounts, the gate's own is a share of the largest one that the model learned from.

    Args:
        own: the tolerances that the model states.
        amount: float64 [N], what it learned from; None for probabilities.
        score: names its further outputs.
    """
    if amount is None:
        return own
    scaled = TOLERANCE * (float(np.abs(amount).max()) or 1.0)
    return {name: max(scaled, own.get(name, 0.0)) for name in (SCORE, *score.extras)}


def _golden_facts(rows: int, allowed: Tolerances) -> GoldenFacts:
    others = {name: tolerance for name, tolerance in allowed.items() if tolerance != allowed[SCORE]}
    return GoldenFacts(rows=rows, tolerance=allowed[SCORE], tolerances=others)


def score_problems(scores: Float32, score: ScoreContract, probes: Probes) -> list[str]:
    """Scores of a wrong shape, scores that are not finite, and probabilities outside 0 to 1."""
    rows = len(probes)
    if scores.dtype != np.float32 or scores.shape != (rows,):
        return [f"{SCORE!r} is {scores.dtype}{list(scores.shape)} for {rows} rows, not float32[{rows}]"]
    wrong = np.flatnonzero(~np.isfinite(scores))
    if len(wrong):
        shown = f"row {wrong[0]} ({probes.reasons[wrong[0]]}) {scores[wrong[0]]}"
        return [f"{len(wrong)} of {rows} scores are not finite numbers; first: {shown}"]
    if score.kind == "probability" and (scores.min() < 0 or scores.max() > 1):
        return [f"scores run from {scores.min():.9g} to {scores.max():.9g}, outside 0 to 1"]
    return []


def difference_problems(
    found: Float32, expected: Float32 | Float64, probes: Probes, *, tolerance: float, what: str
) -> list[str]:
    """At most one line: how many rows differ by more than the tolerance, and the worst of them."""
    if found.shape != expected.shape:
        return [f"{what}: the shape is {list(found.shape)}, not {list(expected.shape)}"]
    difference = row_differences(found, expected)
    wrong = np.flatnonzero(~(difference <= tolerance))
    if not len(wrong):
        return []
    worst = wrong[np.argsort(-np.nan_to_num(difference[wrong], nan=np.inf), kind="stable")][:_ROWS_SHOWN]
    shown = ", ".join(_shown(row, probes.reasons[row], found[row], expected[row], difference[row]) for row in worst)
    return [f"{what}: {len(wrong)} of {len(found)} rows differ by more than {tolerance:g}; worst: {shown}"]


def row_differences(found: Float32, expected: Float32 | Float64) -> Float64:
    """float64 [N]: the largest absolute difference within each row of two arrays [N, ...]."""
    difference: Float64 = np.abs(found.astype(np.float64) - expected).reshape(len(found), -1).max(axis=1)
    return difference


def _shown(row: int, reason: str, found: Float32, expected: Float32 | Float64, difference: float) -> str:
    values = f" {found:.7g} instead of {expected:.7g}," if found.ndim == 0 else ""
    return f"row {row} ({reason}){values} off by {difference:.3g}"


def _parity_problems(
    outputs: Outputs, native: Mapping[str, Float64], probes: Probes, tolerances: Tolerances
) -> Iterator[str]:
    for name in outputs:
        if name not in native:
            yield f"the native model has no output {name!r}"
        else:
            what = f"{name!r} of the graph and of the native model"
            yield from difference_problems(outputs[name], native[name], probes, tolerance=tolerances[name], what=what)


def _size_problems(
    subject: str, scorer: OnnxScorer, probes: Probes, outputs: Outputs, tolerances: Tolerances
) -> Iterator[str]:
    for size in BATCH_SIZES:
        starts = np.linspace(0, len(probes) - size, _BATCHES_PER_SIZE).astype(np.intp)
        for start in np.unique(starts):
            rows = np.arange(start, start + size)
            again = _run(subject, scorer, probes.batch.take(rows))
            problems = _repetition_problems(again, outputs, probes, rows, tolerances, f"in batches of {size}")
            if problems:
                yield from problems
                break


def _padding_problems(
    subject: str, scorer: OnnxScorer, probes: Probes, kind: RaggedKind, outputs: Outputs, tolerances: Tolerances
) -> Iterator[str]:
    everything = np.arange(len(probes))
    for extra in (0, 3):
        again = _run(subject, scorer, with_garbage(probes.batch, kind, extra=extra))
        what = f"with garbage as padding of the {kind.name}, {kind.axis} + {extra}"
        yield from _repetition_problems(again, outputs, probes, everything, tolerances, what)
    items, present = probes.batch.items(kind)
    for most in {1, present.shape[1]}:
        rows = np.flatnonzero(~present[:, most:].any(axis=1))
        fewer = probes.batch.take(rows).with_items(kind, items[rows, :most], present[rows, :most])
        again = _run(subject, scorer, fewer)
        yield from _repetition_problems(again, outputs, probes, rows, tolerances, f"with {kind.axis} = {most}")


def _repetition_problems(
    again: Outputs, outputs: Outputs, probes: Probes, rows: RowIndices, tolerances: Tolerances, what: str
) -> list[str]:
    """Differences between two runs of the same rows; of outputs per step, over the steps that both have."""
    these = probes.take(rows)
    problems: list[str] = []
    for name, values in again.items():
        before = outputs[name][rows]
        both = tuple(slice(min(sides)) for sides in zip(values.shape, before.shape, strict=True))
        problems += difference_problems(
            values[both], before[both], these, tolerance=tolerances[name], what=f"{name!r} {what}"
        )
    return problems


def _opened(subject: str, model: bytes) -> OnnxScorer:
    try:
        return OnnxScorer(model)
    except Exception as error:
        raise GateError(subject, [f"ONNX Runtime cannot open it: {first_line(error)}"]) from error


def _run(subject: str, scorer: OnnxScorer, batch: Batch) -> Outputs:
    parts = [batch.take(slice(start, start + _ROWS_AT_ONCE)) for start in range(0, len(batch), _ROWS_AT_ONCE)]
    outputs = [_run_part(subject, scorer, part) for part in parts]
    return {name: np.concatenate([np.atleast_1d(part[name]) for part in outputs]) for name in outputs[0]}


def _run_part(subject: str, scorer: OnnxScorer, batch: Batch) -> Outputs:
    try:
        return scorer.run(batch)
    except Exception as error:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in batch.feeds().items())
        raise GateError(subject, [f"it fails on {shapes}: {first_line(error)}"]) from error


def _refuse(subject: str, problems: Sequence[str]) -> None:
    if problems:
        raise GateError(subject, problems)

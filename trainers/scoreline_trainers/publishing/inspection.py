"""Checks one model in the child process: screens it, wraps or keeps it, proves it, and writes the verdict to a file.

FOLDER/inspection.json, model.onnx[, probes.npz]  ->  verdict.json[, published.onnx, golden.npz]
"""

import re
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import onnx

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.manifest import GOLDEN_FILE, MODEL_FILE
from scoreline_registry.documents.signature import SCORE
from scoreline_registry.errors import GateError, first_line
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.gate.checks import TOLERANCE, Proof, prove
from scoreline_trainers.gate.golden import read_arrays
from scoreline_trainers.gate.probes import from_contract
from scoreline_trainers.graph.builder import output_names
from scoreline_trainers.publishing.confinement import confine
from scoreline_trainers.publishing.inputs import input_sources, named_inputs
from scoreline_trainers.publishing.outputs import OutputSource, output_source
from scoreline_trainers.publishing.raw import Arrays, prove_raw
from scoreline_trainers.publishing.refusal import UnfitError, refuse
from scoreline_trainers.publishing.screening import RUNTIME_DOMAINS, STANDARD_DOMAINS, parsed, screening_problems
from scoreline_trainers.publishing.source_model import SourceModel
from scoreline_trainers.publishing.spec import (
    INSPECTION_FILE,
    PROBES_FILE,
    PUBLISHED_FILE,
    VERDICT_FILE,
    Inspection,
    ManifestSpec,
    Verdict,
)
from scoreline_trainers.publishing.wrapping import wrapped

_MEMORY = re.compile(r"bad_?alloc|failed to allocate|unable to allocate|out of memory|cannot allocate", re.IGNORECASE)
_TRIED_ROWS = 3
_RELATIVE_TOLERANCE = 1e-6


def inspect(folder: Path) -> Verdict:
    """Checks the model of a folder and leaves its files there. Problems are in the verdict; nothing is raised."""
    inspection = Inspection.model_validate_json((folder / INSPECTION_FILE).read_bytes())
    try:
        return _inspected(folder, inspection, (folder / MODEL_FILE).read_bytes())
    except (GateError, UnfitError) as error:
        return Verdict(problems=tuple(_plain(problem) for problem in error.problems))
    except MemoryError:
        return Verdict(problems=(_plain("out of memory"),))


def _inspected(folder: Path, inspection: Inspection, data: bytes) -> Verdict:
    try:
        model = parsed(data)
    except ValueError as error:
        raise UnfitError([str(error)]) from error
    spec = inspection.spec
    refuse(screening_problems(model, domains=RUNTIME_DOMAINS if spec is None else STANDARD_DOMAINS))
    if spec is None:
        return _kept(folder, data, model)
    if inspection.wrapping.is_empty:
        if spec.inputs.is_empty:
            raise UnfitError(["it is not known what it takes: name its features (--features or --manifest)"])
        return _standard(folder, data, model, inspection, spec)
    return _wrapped(folder, data, model, inspection, spec)


def _standard(folder: Path, data: bytes, model: onnx.ModelProto, inspection: Inspection, spec: ManifestSpec) -> Verdict:
    samples = from_contract(spec.inputs)
    try:
        proof = prove(data, subject=inspection.subject, inputs=spec.inputs, score=spec.score, samples=samples)
    except GateError as error:
        hint = "" if SCORE in output_names(model) else "name the output that is the score with --score-output"
        raise UnfitError([*error.problems, *filter(None, [hint])]) from error
    return _proven(folder, data, proof, spec.inputs)


def _kept(folder: Path, data: bytes, model: onnx.ModelProto) -> Verdict:
    probes = folder / PROBES_FILE
    proof = prove_raw(data, model, probes=_probes(probes) if probes.exists() else None)
    (folder / PUBLISHED_FILE).write_bytes(data)
    (folder / GOLDEN_FILE).write_bytes(proof.golden)
    return Verdict(rows=1, golden=proof.golden_facts, tensors=proof.tensors)


def _probes(file: Path) -> Arrays:
    try:
        return read_arrays(file.read_bytes())
    except (OSError, ValueError, BadZipFile) as error:
        raise UnfitError([f"the probes are no .npz file of plain arrays: {first_line(error)}"]) from error


def _wrapped(folder: Path, data: bytes, model: onnx.ModelProto, inspection: Inspection, spec: ManifestSpec) -> Verdict:
    stated = inspection.wrapping.inputs
    inputs = named_inputs(model.graph, stated) if spec.inputs.is_empty else spec.inputs
    sources = input_sources(model.graph, inputs, stated)
    samples = from_contract(inputs)
    stated_outputs = {SCORE: output_source(model.graph, inspection.wrapping.score_output)}
    stated_outputs |= {name: output_source(model.graph, name) for name in spec.score.extras}
    outputs = _seen(SourceModel(data, inputs, sources, stated_outputs), samples, stated_outputs)
    source = SourceModel(data, inputs, sources, outputs)
    native = source(samples)[SCORE]
    refuse(_range_problems(native, spec))
    bounded = spec.score.kind == "probability" and bool((native < 0).any() or (native > 1).any())
    published = wrapped(model, inputs=inputs, sources=sources, outputs=outputs, bounded=bounded).SerializeToString()
    try:
        proof = prove(
            published,
            subject=inspection.subject,
            inputs=inputs,
            score=spec.score,
            samples=samples,
            reference=source,
            tolerances=_tolerances(native, spec),
        )
    except GateError as error:
        raise UnfitError([*error.problems, *_fixed(source.batch)]) from error
    return _proven(folder, published, proof, inputs)


def _seen(source: SourceModel, samples: Batch, outputs: Mapping[str, OutputSource]) -> dict[str, OutputSource]:
    """The outputs with the shapes that the source model gives them for a few rows."""
    shapes = source.shapes(samples.take(slice(0, _TRIED_ROWS)))
    extras = {name: output.of_shape(shapes[name]) for name, output in outputs.items() if name != SCORE}
    return {SCORE: outputs[SCORE].of_score_shape(shapes[SCORE]), **extras}


def _range_problems(native: Float64, spec: ManifestSpec) -> list[str]:
    """Scores outside 0 to 1 by more than rounding, which the float32 sums of a forest may cause."""
    low, high = np.nanmin(native, initial=0.0), np.nanmax(native, initial=1.0)
    if spec.score.kind != "probability" or (low >= -TOLERANCE and high <= 1 + TOLERANCE):
        return []
    return [
        f"scores run from {low:.6g} to {high:.6g}, outside 0 to 1: if they are no probabilities, their kind is value"
    ]


def _tolerances(native: Float64, spec: ManifestSpec) -> dict[str, float]:
    """A wider tolerance for large values, in proportion to the precision of float32."""
    if spec.score.kind == "probability":
        return {}
    largest = float(np.nanmax(np.abs(native), initial=0.0))
    return {SCORE: max(TOLERANCE, _RELATIVE_TOLERANCE * largest)} if np.isfinite(largest) else {}


def _fixed(batch: int | None) -> list[str]:
    if batch is None:
        return []
    return [f"it declares batches of {batch} rows and cannot take others: export it for any number of rows"]


def _proven(folder: Path, published: bytes, proof: Proof, inputs: InputContract) -> Verdict:
    (folder / PUBLISHED_FILE).write_bytes(published)
    (folder / GOLDEN_FILE).write_bytes(proof.golden)
    return Verdict(rows=proof.rows, inputs=inputs, parity=proof.parity, golden=proof.golden_facts)


def _plain(problem: str) -> str:
    """The problem in plain words where memory ran out: ONNX Runtime names its own source lines then."""
    if _MEMORY.search(problem):
        allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
        return f"it wants more memory than the {allowed / 2**30:.1f} GiB that checking it may take"
    return problem


def main() -> None:
    """Runs in the child."""
    folder = confine(sys.argv[1:])
    (folder / VERDICT_FILE).write_text(inspect(folder).model_dump_json(), encoding="utf-8")


if __name__ == "__main__":
    main()

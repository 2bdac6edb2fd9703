"""Loads a version: checks digests, opens a session, reproduces the golden rows, warms up and measures one row.

Whatever fails here raises LoadError and the version does not serve.
"""

import io
import resource
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from scoreline_registry.attributions.reason_file import Link
from scoreline_registry.documents.manifest import GOLDEN_FILE, MODEL_FILE, GoldenFacts, Manifest
from scoreline_registry.documents.signature import graph_inputs
from scoreline_registry.errors import RegistryError, first_line
from scoreline_registry.registry import Registry
from scoreline_server.errors import LoadError
from scoreline_server.loading.raw_tensors import golden_call, input_types
from scoreline_server.scoring.arrays import PARSING
from scoreline_server.scoring.model import LoadedModel
from scoreline_server.scoring.reasons.version_reasons import EXPLAINING_FILES, VersionReasons

Arrays = Mapping[str, npt.NDArray[Any]]

Load = Callable[[Registry, str, int], LoadedModel]
"""Loads a version of a model by its name and number. Raises LoadError where it cannot be served."""

_TIMED_RUNS = 20


def load(registry: Registry, name: str, version: int) -> LoadedModel:
    """Loads one committed version. Raises LoadError where it cannot be served."""
    try:
        manifest = registry.manifest(name, version)
        data = registry.read_file(name, version, MODEL_FILE)
        resident = _resident_bytes()
        golden = registry.read_file(name, version, GOLDEN_FILE) if manifest.golden else None
        session = _session(data)
        _check_signature(session, manifest)
        model = LoadedModel(name, version, manifest.files[MODEL_FILE].sha256, manifest, session)
        if golden is None or manifest.golden is None:
            raise _UnfitError("it has no golden rows to prove itself with; publish it through the gate")
        inputs, outputs = _golden_call(model, _arrays(golden))
        _self_test(model, inputs, outputs, manifest.golden)
        return replace(
            model,
            row_microseconds=_row_microseconds(model, inputs, list(outputs)),
            memory_bytes=max(_resident_bytes() - resident, len(data)),
            reasons=_reasons(registry, name, version, manifest),
        )
    except RegistryError as error:
        raise LoadError(name, version, str(error)) from error
    except _UnfitError as error:
        raise LoadError(name, version, str(error)) from error


def _reasons(registry: Registry, name: str, version: int, manifest: Manifest) -> VersionReasons:
    """What the version has to explain its scores by; nothing is computed of it yet."""
    wanted = EXPLAINING_FILES[:1] if EXPLAINING_FILES[0] in manifest.files else EXPLAINING_FILES
    found = [file for file in wanted if file in manifest.files]
    link: Link = "log odds" if manifest.score.kind == "probability" else "identity"
    return VersionReasons(f"{name}@{version}", {file: registry.read_file(name, version, file) for file in found}, link)


class _UnfitError(Exception):
    """Why a version must not serve."""


def _session(data: bytes) -> ort.InferenceSession:
    """One thread per session: small models are fastest inline, and the server scales by processes."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise _UnfitError(f"ONNX Runtime cannot open {MODEL_FILE}: {first_line(error)}") from error


def _check_signature(session: ort.InferenceSession, manifest: Manifest) -> None:
    contract = manifest.tensors
    tensors = contract.inputs if contract is not None else [put.tensor for put in graph_inputs(manifest.inputs)]
    expected = input_types(tensors)
    found = {put.name: put.type for put in session.get_inputs()}
    if found != expected:
        raise _UnfitError(f"the graph takes {found}, its manifest says {expected}")
    outputs = {put.name for put in session.get_outputs()}
    missing = set(_output_names(manifest)) - outputs
    if missing:
        raise _UnfitError(f"the graph lacks the outputs {', '.join(sorted(missing))}")


def _arrays(golden: bytes) -> Arrays:
    try:
        with PARSING, np.load(io.BytesIO(golden), allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise _UnfitError(f"{GOLDEN_FILE} cannot be read: {first_line(error)}") from error


def _output_names(manifest: Manifest) -> list[str]:
    if manifest.tensors is not None:
        return [tensor.name for tensor in manifest.tensors.outputs]
    return ["score", *manifest.score.extras]


def _golden_call(model: LoadedModel, golden: Arrays) -> tuple[Arrays, Arrays]:
    """The golden inputs and outputs by name: rows, or one whole call for a model that was published as is."""
    try:
        if model.manifest.tensors is not None:
            return golden_call(model.manifest.tensors, golden)
        inputs = [put.name for put in model.session.get_inputs()]
        return {name: golden[name] for name in inputs}, {name: golden[name] for name in _output_names(model.manifest)}
    except KeyError as error:
        raise _UnfitError(f"{GOLDEN_FILE} lacks {error.args[0]}") from error


def _self_test(model: LoadedModel, inputs: Arrays, outputs: Arrays, facts: GoldenFacts) -> None:
    """Repeats the golden call and compares every output, NaN equal to NaN."""
    for (name, expected), got in zip(outputs.items(), _run(model, inputs, list(outputs)), strict=True):
        _compare(name, got, expected, facts.tolerances.get(name, facts.tolerance))


def _run(model: LoadedModel, inputs: Arrays, outputs: Sequence[str]) -> list[npt.NDArray[Any]]:
    try:
        return [np.asarray(value) for value in model.session.run(outputs, inputs)]
    except Exception as error:
        raise _UnfitError(f"the golden rows cannot be scored: {first_line(error)}") from error


def _compare(name: str, got: npt.NDArray[Any], expected: npt.NDArray[Any], tolerance: float) -> None:
    if got.shape != expected.shape:
        raise _UnfitError(f"golden output {name} has shape {got.shape}, expected {expected.shape}")
    if expected.dtype.kind != "f":
        if not np.array_equal(got.astype(expected.dtype), expected):
            raise _UnfitError(f"golden output {name} differs, where it must be equal")
        return
    close = np.isclose(got, expected, rtol=0, atol=tolerance, equal_nan=True)
    if not close.all():
        by_row = np.atleast_1d(close)
        rows = np.flatnonzero(~by_row.reshape(len(by_row), -1).all(axis=1))
        worst = float(np.nanmax(np.abs(got - expected), initial=0.0))
        raise _UnfitError(
            f"golden rows differ: {len(rows)} of {len(by_row)} rows of {name}, first row {rows[0]}, "
            f"by up to {worst:.3g} where {tolerance:.3g} is allowed"
        )


def _row_microseconds(model: LoadedModel, inputs: Arrays, outputs: Sequence[str]) -> float:
    """Warms the session up and returns the median time of one row, or of a whole raw call, in microseconds."""
    one = inputs if model.manifest.tensors is not None else {name: array[:1] for name, array in inputs.items()}
    times = []
    for _ in range(_TIMED_RUNS):
        start = time.perf_counter()
        _run(model, one, outputs)
        times.append(time.perf_counter() - start)
    return round(1e6 * sorted(times)[_TIMED_RUNS // 2], 1)


def _resident_bytes() -> int:
    """This process's resident memory; other threads make the difference that a load makes inexact."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()

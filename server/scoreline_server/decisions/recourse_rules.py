"""What may change of a model's inputs: its contract, its training data and a policy, read once per version."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy.typing as npt
import onnxruntime as ort
import structlog

from scoreline_registry.attributions.reason_file import ReasonFile
from scoreline_registry.documents.actionability import Actionability
from scoreline_registry.documents.manifest import BASELINE_FILE, REASONS_FILE
from scoreline_registry.documents.signature import FEATURES
from scoreline_registry.errors import NotFoundError
from scoreline_registry.recourse.forests import Forest, Matrices, facts_of
from scoreline_registry.recourse.levers import InputFacts
from scoreline_registry.recourse.problem import RecourseRules
from scoreline_registry.recourse.search import SEARCH, Engine, search
from scoreline_registry.recourse.tree_engine import LIBRARY, TreeEngine, is_installed
from scoreline_server.errors import CallError, ErrorReason
from scoreline_server.scoring.arrays import Float32
from scoreline_server.scoring.model import LoadedModel, VersionKey

_log = structlog.get_logger()
_MOST_KEPT = 256

_K = TypeVar("_K")
_V = TypeVar("_V")

ReadFile = Callable[[str, int, str], bytes]
"""Reads a file of a version by the model's name, its number and the file's name. Raises RegistryError."""


class RuleCache:
    """The rules of versions, each read from the registry when it is first asked for. Safe for threads."""

    def __init__(self, read_file: ReadFile) -> None:
        self._read_file = read_file
        self._facts: dict[VersionKey, Mapping[str, InputFacts]] = {}
        self._rules: dict[tuple[VersionKey, str], RecourseRules] = {}
        self._engines: dict[VersionKey, TreeEngine] = {}

    def of(self, model: LoadedModel, overrides: Mapping[str, Actionability]) -> RecourseRules:
        """The rules of a model with those of a policy in their place.

        Raises CallError where they do not fit the model's contract, and RegistryError.
        """
        given = {name: rule for name, rule in overrides.items() if name in model.manifest.inputs.vocabularies}
        key = model.key, json.dumps({name: rule.model_dump(mode="json") for name, rule in given.items()})
        found = self._rules.get(key)
        if found is None:
            try:
                found = RecourseRules.of(model.manifest.inputs, self._facts_of(model), given)
            except ValueError as error:
                raise CallError(ErrorReason.INVALID, f"{model.name}@{model.version}: {error}") from error
            _keep(self._rules, key, found)
        return found

    def engine(self, model: LoadedModel, name: str) -> Engine:
        """The engine of a name; without one the best that is installed and knows the model.

        Raises CallError where it is not installed.
        """
        if name == LIBRARY and not is_installed():
            problem = f"the engine {LIBRARY} needs more libraries: pip install 'scoreline[recourse]'"
            raise CallError(ErrorReason.EXTRA_MISSING, problem)
        if name == SEARCH or not is_installed():
            return search
        self._facts_of(model)
        return self._engines.get(model.key) or search

    def _facts_of(self, model: LoadedModel) -> Mapping[str, InputFacts]:
        """What is known of the numbers of a version: nothing where neither file is there."""
        found = self._facts.get(model.key)
        if found is None:
            edges = _quantiles(self._file(model, BASELINE_FILE), model)
            forest, matrices = _forest(self._file(model, REASONS_FILE), model)
            if forest is not None:
                is_probability = model.manifest.score.kind == "probability"
                _keep(self._engines, model.key, TreeEngine(forest, matrices, is_probability=is_probability))
            found = facts_of(model.manifest.inputs, edges, forest)
            _keep(self._facts, model.key, found)
        return found

    def _file(self, model: LoadedModel, name: str) -> bytes | None:
        try:
            return self._read_file(model.name, model.version, name)
        except NotFoundError:
            return None


def _quantiles(data: bytes | None, model: LoadedModel) -> Mapping[str, Sequence[float]]:
    """The ascending quantiles of each number, of ``baseline.json``."""
    try:
        numbers = json.loads(data or b"{}").get("numbers", {})
        return {name: tuple(map(float, each["edges"])) for name, each in numbers.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        _log.warning("baseline cannot be read", model=model.name, version=model.version, error=str(error)[:200])
        return {}


def _forest(data: bytes | None, model: LoadedModel) -> tuple[Forest | None, Matrices]:
    """The trees of ``reasons.npz`` and what they are over; None where it has none, or is of a later release."""
    if data is None:
        return None, _no_matrices
    try:
        file = ReasonFile.read(data)
        matrices = _matrices(file) if file.graph else _features
        return Forest.of(file, model.manifest.inputs, matrices), matrices
    except Exception as error:  # noqa: BLE001  any exception of ONNX Runtime leaves the search without thresholds
        _log.warning("reasons cannot be read", model=model.name, version=model.version, error=str(error)[:200])
        return None, _no_matrices


def _matrices(file: ReasonFile) -> Matrices:
    """What makes the matrices of a file's terms, by its graph."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(file.graph, options, providers=["CPUExecutionProvider"])
    names = list(file.matrices)
    return lambda features: dict(zip(names, session.run(names, {FEATURES: features}), strict=True))


def _features(features: Float32) -> Mapping[str, npt.NDArray[Any]]:
    return {FEATURES: features}


def _no_matrices(_features: Float32) -> Mapping[str, npt.NDArray[Any]]:
    return {}


def _keep(kept: dict[_K, _V], key: _K, value: _V) -> None:
    """Adds a value; the oldest goes where there are too many."""
    while len(kept) >= _MOST_KEPT:
        kept.pop(next(iter(kept)), None)
    kept[key] = value

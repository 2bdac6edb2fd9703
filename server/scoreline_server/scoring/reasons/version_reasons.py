"""What a version has to explain its scores by, compiled when reasons are first asked for.

Versions that were published with ``reasons.npz`` have it; of older ones the rows of ``reference.npz`` are the cohort.
Tables take memory and about a second of a core for some hundred trees, so that they are made for versions whose reasons
are wanted, by the thread that wants them first.
"""

import io
import json
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from scoreline_registry.attributions.exact_values import ExactValues
from scoreline_registry.attributions.mixing import players_of
from scoreline_registry.attributions.reason_file import Link, ReasonFile, ReasonFileError
from scoreline_registry.documents.manifest import EXPLANATION_FILE, REASONS_FILE, REFERENCE_FILE
from scoreline_registry.documents.signature import SIGNATURE
from scoreline_registry.errors import first_line
from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.gil_switching import background_work
from scoreline_server.scoring.arrays import PARSING
from scoreline_server.scoring.reasons.contributions import (
    Contributions,
    ExactContributions,
    Run,
    SampledContributions,
)
from scoreline_server.scoring.reasons.players import Inputs
from scoreline_server.scoring.reasons.recent import Recent

EXPLAINING_FILES = (REASONS_FILE, REFERENCE_FILE, EXPLANATION_FILE)
"""The files of a version that are read for its reasons, as far as there are any."""

_ROW_SECONDS = 500e-6
_RECENT = Recent()
# One at a time: two compilations side by side would take as long, and twice the calls' time.
_COMPILING = threading.Lock()


@dataclass(eq=False)
class VersionReasons:
    """The files of a version that explain its scores, and what is compiled of them.

    Attributes:
        name: the version, for errors.
        files: those of EXPLAINING_FILES that it has.
        link: what the margin is of a version whose files do not say it.
        recent: what is compiled of all versions.
    """

    name: str
    files: dict[str, bytes] = field(repr=False)
    link: Link = "identity"
    recent: Recent = field(default=_RECENT, repr=False)
    _compiled: Contributions | None = field(default=None, repr=False)
    _problem: ScoringError | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def is_there(self) -> bool:
        """Whether there is anything to explain scores by."""
        return REASONS_FILE in self.files or REFERENCE_FILE in self.files

    def row_seconds(self, model_seconds: float) -> float:
        """The estimated time of the reasons of one row, of a model that takes so long for a row."""
        known = self._compiled
        # Rows that are scored together take a fraction of the time of single ones.
        return _ROW_SECONDS + (0 if known is None else known.evaluations * model_seconds / 4)

    def require(self) -> None:
        """Raises ScoringError with REASONS_MISSING where scores cannot be explained."""
        if not self.is_there:
            raise missing(self.name, f"has neither {REASONS_FILE} nor {REFERENCE_FILE}")
        if self._problem is not None:
            raise self._problem

    def contributions(self, run: Run) -> Contributions:
        """Compiles on first use; ``run`` scores rows by the version's graph. Raises ScoringError."""
        compiled = self._compiled
        if compiled is None:
            with self._lock:
                compiled = self._compiled or self._made(run)
                self._compiled = compiled
        self.recent.used(self, compiled.nbytes)
        return compiled

    @property
    def is_compiled(self) -> bool:
        """Whether its reasons were asked for, and their tables are in memory."""
        return self._compiled is not None

    def drop(self) -> None:
        """Frees the tables; they are made again when they are next wanted."""
        self._compiled = None

    def _made(self, run: Run) -> Contributions:
        self.require()
        try:
            with _COMPILING, background_work():
                return compiled(self.files, run, self.link)
        except MemoryError:
            raise
        except Exception as error:
            # Files that only look sound fail in NumPy or ONNX Runtime, whose exceptions are of any kind.
            file = REASONS_FILE if REASONS_FILE in self.files else REFERENCE_FILE
            self._problem = missing(self.name, f"has a {file} that cannot be used ({first_line(error)})")
            raise self._problem from error


def missing(name: str, why: str) -> ScoringError:
    """The error of a version whose scores cannot be explained, and what to do about it."""
    return ScoringError(
        ErrorReason.REASONS_MISSING,
        f"{name} {why}: publish the model again, by `scoreline train` or by `scoreline publish --reference FILE`",
        version=name,
    )


def compiled(files: dict[str, bytes], run: Run, usual_link: Link) -> Contributions:
    """The contributions of a version by its files; ``usual_link`` is theirs where the files do not say one.

    Raises any exception where the files cannot be used.
    """
    if REASONS_FILE not in files:
        link, cohort = _reference(files, usual_link)
        return SampledContributions.of(run, link, cohort)
    with PARSING:
        file = ReasonFile.read(files[REASONS_FILE])
    if players_of(file.cohort) != file.facts.players:
        raise ReasonFileError(f"its cohort has {players_of(file.cohort)} inputs, not {file.facts.players}")
    sampled = SampledContributions.of(run, file.facts.link, file.cohort)
    if not file.terms:
        return sampled
    matrices = _matrices(file)
    exact = ExactValues.of(file, matrices(file.cohort))
    return ExactContributions(exact, file.facts.base, matrices, sampled)


def _matrices(file: ReasonFile) -> Callable[[Inputs], Inputs]:
    """Makes the matrices of a file's terms; those that are inputs are passed on."""
    made = [name for name in file.matrices if name not in file.cohort]
    if not made:
        return lambda inputs: inputs
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(file.graph, options, providers=["CPUExecutionProvider"])
        needed = [put.name for put in session.get_inputs()]
        session.run(made, {name: file.cohort[name] for name in needed})
    except Exception as error:
        raise ReasonFileError(f"its graph cannot be run: {error}") from error

    def matrices(inputs: Inputs) -> Inputs:
        outputs = session.run(made, {name: inputs[name] for name in needed})
        return {**inputs, **dict(zip(made, outputs, strict=True))}

    return matrices


def _reference(files: dict[str, bytes], usual_link: Link) -> tuple[Link, Inputs]:
    """The link and the cohort of a version that was published before it could have ``reasons.npz``."""
    try:
        with PARSING, np.load(io.BytesIO(files[REFERENCE_FILE]), allow_pickle=False) as stored:
            cohort: dict[str, npt.NDArray[Any]] = {name: stored[name] for name in SIGNATURE if name in stored.files}
        said = json.loads(files.get(EXPLANATION_FILE, b"{}")).get("link", usual_link)
    except (ValueError, OSError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise ReasonFileError(f"{REFERENCE_FILE} cannot be read: {error}") from error
    if not cohort or not all(len(each) for each in cohort.values()):
        raise ReasonFileError(f"{REFERENCE_FILE} holds no rows")
    return ("log odds" if said == "log odds" else "identity"), cohort

"""Makes versions of external models: a child process checks the file, and its verdict becomes the manifest."""

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from scoreline_registry.documents.contract import ScoreContract
from scoreline_registry.documents.manifest import CARD_FILE, GOLDEN_FILE, MODEL_FILE, Manifest
from scoreline_registry.errors import GateError
from scoreline_trainers.publishing.confinement import ConfinedError, Limits, run_confined
from scoreline_trainers.publishing.spec import (
    INSPECTION_FILE,
    PROBES_FILE,
    PUBLISHED_FILE,
    VERDICT_FILE,
    Inspection,
    ManifestSpec,
    Verdict,
    Wrapping,
)

_INSPECTOR = "scoreline_trainers.publishing.inspection"
NOTHING_TO_WRAP, USUAL_LIMITS = Wrapping(), Limits()
_NO_SCORE = ScoreContract(meaning="none: it answers raw tensors", kind="value")


@dataclass(frozen=True, slots=True, eq=False)
class ExternalVersion:
    """A version that passed every check and is not published yet.

    Attributes:
        manifest: without the facts of its files.
        files: all but the manifest.
        rows: on how many rows it was checked.
    """

    manifest: Manifest
    files: Mapping[str, bytes]
    rows: int


def scored_version(
    model: str,
    graph: Path,
    spec: ManifestSpec,
    *,
    created_at: datetime,
    wrapping: Wrapping = NOTHING_TO_WRAP,
    limits: Limits = USUAL_LIMITS,
) -> ExternalVersion:
    """Makes a version of a graph in the standard signature, or wrapped to it as ``wrapping`` says.

    A wrapped graph is compared with the source model on at least 2,000 rows. A graph that has the standard signature
    already is published unchanged, so there is nothing to compare it with.

    Args:
        model: its name in the registry.
        graph: an ONNX file.
        spec: what a person says about it; its inputs may be empty where every input of the graph is one column.
        created_at: aware.
        wrapping: how the graph's inputs and outputs map to the signature.
        limits: of reading and checking it.

    Raises:
        GateError: with everything that keeps it from publication.
    """
    inspection = Inspection(subject=f"version of {model}", spec=spec, wrapping=wrapping)
    verdict, files = _inspected(inspection, _bytes(inspection.subject, graph, limits), None, limits)
    facts = {**dict(spec), "inputs": verdict.inputs}
    manifest = Manifest(**facts, parity=verdict.parity, golden=verdict.golden, created_at=created_at)
    return _version(model, manifest, files, verdict)


def raw_version(
    model: str,
    graph: Path,
    *,
    created_at: datetime,
    probes: Path | None = None,
    family: str = "onnx",
    limits: Limits = USUAL_LIMITS,
) -> ExternalVersion:
    """Makes a version of a graph as it is, byte by byte, with its own tensors; no route can name it.

    ``probes`` is an .npz file with an array for each input, for graphs that made-up inputs make no sense to. Raises
    GateError.
    """
    inspection = Inspection(subject=f"version of {model}")
    data = _bytes(inspection.subject, graph, limits)
    given = None if probes is None else _bytes(f"probes {probes.name}", probes, limits)
    verdict, files = _inspected(inspection, data, given, limits)
    manifest = Manifest(
        family=family,
        task="tensors",
        inputs=verdict.inputs,
        score=_NO_SCORE,
        golden=verdict.golden,
        tensors=verdict.tensors,
        created_at=created_at,
    )
    return _version(model, manifest, files, verdict)


def _version(model: str, manifest: Manifest, files: Mapping[str, bytes], verdict: Verdict) -> ExternalVersion:
    from scoreline_trainers.reporting.card import model_card  # noqa: PLC0415 - the command starts without NumPy
    from scoreline_trainers.reporting.document import VersionReport  # noqa: PLC0415

    card = model_card(VersionReport(model=model, manifest=manifest))
    return ExternalVersion(manifest, {**files, CARD_FILE: card.encode()}, verdict.rows)


def _inspected(
    inspection: Inspection, data: bytes, probes: bytes | None, limits: Limits
) -> tuple[Verdict, Mapping[str, bytes]]:
    """The verdict of a child process on a model alone in an empty folder, and the files that it made."""
    with TemporaryDirectory(prefix="scoreline-") as name:
        folder = Path(name)
        (folder / INSPECTION_FILE).write_text(inspection.model_dump_json(), encoding="utf-8")
        (folder / MODEL_FILE).write_bytes(data)
        if probes is not None:
            (folder / PROBES_FILE).write_bytes(probes)
        try:
            run_confined(_INSPECTOR, folder, limits=limits)
        except ConfinedError as error:
            raise GateError(inspection.subject, [str(error)]) from error
        verdict = Verdict.model_validate_json((folder / VERDICT_FILE).read_bytes())
        if verdict.problems:
            raise GateError(inspection.subject, verdict.problems)
        return verdict, {
            MODEL_FILE: (folder / PUBLISHED_FILE).read_bytes(),
            GOLDEN_FILE: (folder / GOLDEN_FILE).read_bytes(),
        }


def _bytes(subject: str, file: Path, limits: Limits) -> bytes:
    """The bytes of a regular file. Of one over the limit none is read; one that changes meanwhile is refused."""
    facts = file.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise GateError(subject, [f"{file.name} is no regular file"])
    size, most = facts.st_size, limits.file_bytes
    if size > most:
        raise GateError(subject, [f"{file.name} has {size:,} bytes, at most {most:,} are read (--max-bytes)"])
    with file.open("rb") as opened:
        data = opened.read(size + 1)
    if len(data) != size:
        raise GateError(subject, [f"{file.name} changed its size while it was read: publish it once it is complete"])
    return data

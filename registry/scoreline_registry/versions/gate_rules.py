"""The rules of the publication gate: measurements in, errors out. Pure."""

from collections.abc import Collection, Iterator, Mapping

from scoreline_registry.documents.manifest import CLAIM_FILE, GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, Manifest
from scoreline_registry.errors import GateError

MIN_PARITY_ROWS = 2000
SCORE_OUTPUT = "score"
REQUIRED_FILES = (MODEL_FILE, GOLDEN_FILE)


def check_gate(
    model: str,
    *,
    manifest: Manifest,
    files: Collection[str],
    differences: Mapping[str, float],
    tolerances: Mapping[str, float],
) -> None:
    """Raises GateError with all errors that keep a version of ``model`` from publication; see ``gate_errors``."""
    errors = gate_errors(manifest=manifest, files=files, differences=differences, tolerances=tolerances)
    if errors:
        raise GateError(f"version of {model}", errors)


def gate_errors(
    *,
    manifest: Manifest,
    files: Collection[str],
    differences: Mapping[str, float],
    tolerances: Mapping[str, float],
) -> list[str]:
    """The errors that keep a version from publication.

    Args:
        manifest: as it would be published.
        files: the names of the version's files without the manifest.
        differences: per output, the largest absolute difference between the graph and the native model; NaN where
            either gave NaN.
        tolerances: per output, the largest difference that is allowed.
    """
    return [
        *_file_errors(files),
        *_output_errors(manifest, differences, tolerances),
        *_parity_errors(manifest, differences),
    ]


def _file_errors(files: Collection[str]) -> Iterator[str]:
    for name in REQUIRED_FILES:
        if name not in files:
            yield f"the file {name!r} is missing"
    for name in (MANIFEST_FILE, CLAIM_FILE):
        if name in files:
            yield f"the file {name!r} is written by the registry itself"


def _output_errors(
    manifest: Manifest, differences: Mapping[str, float], tolerances: Mapping[str, float]
) -> Iterator[str]:
    outputs = (SCORE_OUTPUT, *manifest.score.extras)
    for output in outputs:
        if output not in differences:
            yield f"output {output!r} was never compared with the native model"
        elif output not in tolerances:
            yield f"output {output!r} has no tolerance"
        # Written so that NaN is an error too.
        elif not differences[output] <= tolerances[output]:
            yield f"output {output!r} differs by {differences[output]:.3g}, allowed is {tolerances[output]:.3g}"
    for output in differences:
        if output not in outputs:
            yield f"output {output!r} was compared but is in no score contract"


def _parity_errors(manifest: Manifest, differences: Mapping[str, float]) -> Iterator[str]:
    if manifest.golden is None:
        yield "the manifest does not describe the golden rows"
    parity = manifest.parity
    if parity is None:
        yield "the manifest does not state the parity with the native model"
        return
    if parity.rows < MIN_PARITY_ROWS:
        yield f"parity was shown on {parity.rows} rows, at least {MIN_PARITY_ROWS} are needed"
    if parity.max_difference > parity.tolerance:
        yield f"the manifest's largest difference {parity.max_difference:.3g} is above its tolerance"
    if parity.max_difference < differences.get(SCORE_OUTPUT, 0.0):
        yield "the manifest states a smaller difference than was measured"

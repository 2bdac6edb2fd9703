"""Handler of GetComparison: compares arms and shadows in a process of its own, one call at a time."""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structlog

from scoreline.v1 import analysis_pb2 as pb
from scoreline_server.errors import CallError, ErrorReason
from scoreline_server.rpc.authority import Action, Caller
from scoreline_server.rpc.methods import Method
from scoreline_server.rpc.timestamps import nanoseconds_of
from scoreline_server.scoring.catalog import Catalog

_log = structlog.get_logger()

_WORKER = "scoreline_server.analysis.comparison.worker"
_EXTRA = "scipy"
_RETRY_SECONDS = 5.0
_MOST_SECONDS = 600.0


class Comparisons:
    """Answers GetComparison. ``folder`` is that of the journal, None where it is off."""

    def __init__(self, registry: str, folder: Path | None, *, extra: str = _EXTRA) -> None:
        """``registry`` is its folder or address; ``extra`` is a module of the extra ``analysis``."""
        self._registry, self._folder, self._extra = registry, folder, extra
        self._running = threading.Lock()
        self.process: subprocess.Popen[str] | None = None

    def methods(self) -> list[Method]:
        """The rows of the method table."""
        path = "/scoreline.v1.AnalysisService/GetComparison"
        return [Method(path, pb.GetComparisonRequest, Action.ANALYSIS_READ, self.get)]

    def get(self, request: pb.GetComparisonRequest, catalog: Catalog, _caller: Caller) -> pb.GetComparisonResponse:
        """Compares the arms and shadows of a route."""
        folder = self._readable()
        if request.route not in catalog.problems:
            catalog.route(request.route)
        if not self._running.acquire(blocking=False):
            error = CallError(ErrorReason.OVERLOADED, "another comparison is running: try again when it is over")
            error.retry_after_seconds = _RETRY_SECONDS
            raise error
        try:
            answer = self._answer(json.dumps(_as_json(request, folder, self._registry)))
        finally:
            self._running.release()
        if "invalid" in answer:
            raise CallError(ErrorReason.INVALID, answer["invalid"])
        comparison = answer["comparison"]
        return pb.GetComparisonResponse(
            schema_version=comparison["schema_version"], comparison_json=json.dumps(comparison, ensure_ascii=False)
        )

    def close(self) -> None:
        """Ends a comparison that is running; its call fails."""
        process = self.process
        if process is not None:
            process.kill()

    def _readable(self) -> Path:
        """The folder to read. Raises CallError where there is none, or the extra is not installed."""
        if self._folder is None:
            raise CallError(
                ErrorReason.JOURNAL_OFF,
                "this server has nothing to compare, because it has no journal: set journal_dir",
            )
        if find_spec(self._extra) is None:
            raise CallError(
                ErrorReason.EXTRA_MISSING, "comparisons need more libraries: pip install 'scoreline[analysis]'"
            )
        return self._folder

    def _answer(self, request: str) -> Mapping[str, Any]:
        """Runs the worker. Raises CallError with INTERNAL where it fails, and logs what it said."""
        pipe = subprocess.PIPE
        command = [sys.executable, "-m", _WORKER]
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, encoding="utf-8") as process:  # noqa: S603
            self.process = process
            try:
                output, errors = process.communicate(request, timeout=_MOST_SECONDS)
            except subprocess.TimeoutExpired as error:
                process.kill()
                raise CallError(
                    ErrorReason.DEADLINE_EXCEEDED, f"the comparison took more than {_MOST_SECONDS:.0f} seconds"
                ) from error
            finally:
                self.process = None
        if process.returncode:
            _log.error("a comparison failed", code=process.returncode, error=errors[-2000:])
            raise CallError(ErrorReason.INTERNAL, "the comparison failed: see the server's log")
        answer: Mapping[str, Any] = json.loads(output)
        return answer


def _as_json(request: pb.GetComparisonRequest, folder: Path, registry: str) -> dict[str, Any]:
    """The request for the worker."""
    return {
        "route": request.route,
        "folders": [str(folder)],
        "registry": registry,
        "since": nanoseconds_of("since", request.since) if request.HasField("since") else None,
        "until": nanoseconds_of("until", request.until) if request.HasField("until") else None,
        "options": {
            "baseline": request.baseline,
            "metrics": list(request.metrics),
            "alpha": request.alpha if request.HasField("alpha") else None,
            "maturity_days": request.maturity_days if request.HasField("maturity_days") else None,
            "covariate": request.covariate or None,
            "segments": list(request.segments),
            "cut_offs": list(request.cut_offs),
        },
    }

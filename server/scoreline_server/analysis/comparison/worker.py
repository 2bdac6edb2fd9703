"""Makes one comparison in a process of its own: a request on standard input, a report or a problem on standard output.

A comparison of millions of rows takes memory and seconds of CPU; in a process of its own neither is the server's.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scoreline_registry.registry import Registry
from scoreline_server.analysis.comparison.comparison import BaselineError, Request, compare
from scoreline_server.analysis.comparison.plans import Options, check_facts, metric_of
from scoreline_server.analysis.comparison.route_history import experiment_of, moves_of
from scoreline_server.analysis.report.document import document

NICENESS = 10


def main() -> None:
    """Reads a request as JSON and prints ``{"comparison": ...}``, or ``{"invalid": text}`` for wrong options."""
    os.nice(NICENESS)
    request: Mapping[str, Any] = json.load(sys.stdin)
    try:
        answer: Mapping[str, Any] = {"comparison": compared(request)}
    except (ValueError, BaselineError) as error:
        answer = {"invalid": str(error)}
    json.dump(answer, sys.stdout, ensure_ascii=False, allow_nan=False)


def compared(request: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a request: route, folders, registry, since, until, metrics, segments, cut_offs and options.

    Raises ValueError and BaselineError for what is wrong with it.
    """
    route, options = request["route"], dict(request["options"])
    options["metrics"] = tuple(metric_of(text) for text in options["metrics"])
    options |= {name: tuple(options[name]) for name in ("segments", "cut_offs")}
    check_facts([*options["segments"], *filter(None, [options["covariate"]])])
    registry = Registry.open(request["registry"])
    folders = tuple(map(Path, request["folders"]))
    wanted = Request(folders, route, request["since"], request["until"], Options(**options))
    return document(compare(wanted, experiment_of(registry, route), moves_of(registry, route)))


if __name__ == "__main__":
    main()

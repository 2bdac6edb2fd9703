"""One of several controllers that move one ramp at once; every one proposes each move until the ramp is done.

Run as a program: ``python -m tests.registry.ramp_race FOLDER NAME``; prints how many of its moves were committed.
"""

import json
import sys

from scoreline_registry.errors import ConflictError
from scoreline_registry.history.weight_moves import MoveRamp
from scoreline_registry.registry import Registry
from scoreline_registry.routing.ramp import RampMoveName
from scoreline_registry.routing.route import RouteDocument


def main(folder: str, name: str) -> None:
    """Moves the ramp on, each time from the newest revision."""
    registry, won, lost = Registry.open(folder), 0, 0
    while True:
        seen = registry.latest()
        move = _next(seen.routes["credit"])
        if move is None:
            break
        try:
            done = registry.commit(
                MoveRamp("credit", move), author=name, message="", if_match=seen.route_digests["credit"]
            )
            won += done.written
        except ConflictError:
            lost += 1
    print(json.dumps({"won": won, "lost": lost}))


def _next(document: RouteDocument) -> RampMoveName | None:
    state = document.ramp_state
    if state is None:
        return "start"
    if state.status != "running" or document.ramp is None:
        return None
    return "advance" if state.step < document.ramp.last_step else "finish"


if __name__ == "__main__":
    main(*sys.argv[1:])

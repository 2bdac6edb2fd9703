"""Feast's online store on the same entities and features, in an environment of its own (``make bench-peers``).

Feast keeps what it is given and aggregates nothing: it gets the features of each event's entity as a stream processor
beside it would have computed them, all but the z-score, which its callers compute.
"""

import json
from pathlib import Path

from tests.benchmarks.pace import Figures
from tests.benchmarks.profiles.stores import Place
from tests.benchmarks.profiles.workload import CALL, FEATURES, Workload
from tests.benchmarks.rivals import peer_python, run_tool

_SCRIPT = Path(__file__).parents[1] / "peers" / "feast_store.py"
_READS = 5000


def feast(place: Place, workload: Workload, folder: Path) -> Figures:
    """Rows per second of ``push``, and the time of ``get_online_features`` for one entity.

    Raises StartError where Feast is not installed.
    """
    python = peer_python("feast")
    work, out = folder / "feast.json", folder / "feast-figures.json"
    names = workload.names(workload.events, seed=0)
    reads = workload.names(min(_READS, len(names)), seed=2)
    asked = {"folder": str(folder), "online_store": dict(place.feast), "features": FEATURES[:-1], "call": CALL}
    work.write_text(json.dumps({**asked, "writes": names, "reads": reads}))
    run_tool([python, _SCRIPT, work, out])
    figures: Figures = json.loads(out.read_text())
    return {**figures, "bytes per entity": place.size() / len(set(names))}

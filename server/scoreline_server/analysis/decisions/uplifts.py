"""Scores of second models, the effects of actions, over journaled rows: the journal does not keep them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from scoreline_registry.names import ModelRef
from scoreline_registry.registry import Registry
from scoreline_server.analysis.replay.routes import Versions, WithVersion
from scoreline_server.analysis.replay.rows import JournaledRows
from scoreline_server.analysis.replay.scoring import score_again
from scoreline_server.journal.reading.records import Records

UpliftsOf: TypeAlias = Callable[[Records], Mapping[str, Sequence[float]]]
"""The scores of each model over all rows of a block, by reference; NaN where it cannot score a row."""


def no_uplifts(_records: Records) -> Mapping[str, Sequence[float]]:
    """Where no policy has effects of second models."""
    return {}


class ScoredUplifts:
    """Scores journaled rows by the versions that references mean in the newest revision."""

    def __init__(self, registry: Registry, refs: Iterable[str]) -> None:
        """Raises RegistryError for a reference to nothing."""
        versions = Versions(registry)
        self._plans = {ref: WithVersion(versions, ModelRef.parse(ref)) for ref in dict.fromkeys(refs)}

    def __call__(self, records: Records) -> Mapping[str, Sequence[float]]:
        """See ``UpliftsOf``."""
        if not self._plans:
            return {}
        rows = JournaledRows.of(records)
        return {ref: score_again(rows, plan.route(records.route)).scores.tolist() for ref, plan in self._plans.items()}

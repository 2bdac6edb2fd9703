"""A policy of one revision, ready to decide on the rows of its route."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scoreline_registry.decisions.deciding.compiled import CompiledPolicy
from scoreline_registry.decisions.messages.rendering import CompiledMessages
from scoreline_server.scoring.compiled_route import Arm, CompiledRoute
from scoreline_server.scoring.facts import FactReader
from scoreline_server.scoring.model import LoadedModel, VersionKey


@dataclass(frozen=True, eq=False)
class ServedPolicy:
    """An adopted policy. Immutable.

    Attributes:
        name: the policy's name.
        revision: the registry's revision that it was adopted from.
        digest: of its document.
        compiled: decides.
        messages: writes the messages of its actions.
        route: whose scores it decides on, as it was adopted together with the policy.
        uplifts: models whose scores are effects of actions, by reference.
        facts: reads what it names.
    """

    name: str
    revision: int
    digest: str
    compiled: CompiledPolicy
    messages: CompiledMessages
    route: CompiledRoute
    uplifts: Mapping[str, Arm]
    facts: FactReader

    @property
    def models(self) -> Sequence[LoadedModel]:
        """Every model that deciding can reach."""
        return [*self.route.models, *(arm.model for arm in self.uplifts.values())]

    def uses(self) -> frozenset[VersionKey]:
        """The versions that deciding can reach."""
        return frozenset(model.key for model in self.models)

"""Routes for a replay: whose arms score journaled rows, and who would be assigned to which."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.errors import RegistryError
from scoreline_registry.names import ModelRef
from scoreline_registry.registry import Registry
from scoreline_registry.routing.assignment import Assigner
from scoreline_registry.routing.bucketing import WHOLE, BucketRange
from scoreline_registry.routing.planning import schema_like
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.rules import Arm as RouteArm
from scoreline_registry.routing.rules import Rule
from scoreline_server.analysis.replay.rows import layout_of
from scoreline_server.errors import LoadError, ReplayError
from scoreline_server.journal.format.facts import ArmFacts, RouteFacts
from scoreline_server.loading import loader
from scoreline_server.scoring.arrays import Indices
from scoreline_server.scoring.compiled_route import Arm, CompiledRoute
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.model import LoadedModel

_ROUTES_KEPT = 64


@dataclass(frozen=True)
class ReplayRoute:
    """A route whose arms score rows of the journaled layout.

    Attributes:
        compiled: the route with the arms that can score.
        arms: all its arms, those of the assigner first and in its order.
        places: intp [arms], the place of each in ``compiled.arms``, -1 where it cannot score.
        problems: why an arm cannot score, empty where it can.
        drawn: intp, the index in ``arms`` of each arm of ``compiled.assigner``.
        as_decided: whether rows are scored by the arms that the journal says, and scores are expected to be equal.
        assigns: whether rows are assigned by a route of the registry, so that arms can be compared.
    """

    compiled: CompiledRoute
    arms: tuple[ArmFacts, ...]
    places: Indices
    problems: tuple[str, ...]
    drawn: Indices
    as_decided: bool
    assigns: bool

    @cached_property
    def first_arms(self) -> Indices:
        """intp [arms]: per arm, the first with the same version; their rows are run together."""
        keys = [(arm.model, arm.version) for arm in self.arms]
        return np.array([keys.index(key) for key in keys], np.intp)

    @property
    def fallback(self) -> int | None:
        """The index in ``arms`` of the fallback, where the replay has one."""
        place = self.compiled.fallback
        return None if place is None else int(np.flatnonzero(self.places == place)[0])


@dataclass(frozen=True)
class Versions:
    """The versions of a registry, each loaded once."""

    registry: Registry
    load: loader.Load = loader.load
    _loaded: dict[tuple[str, int], LoadedModel | LoadError] = field(default_factory=dict)

    def loaded(self, model: str, version: int) -> LoadedModel | LoadError:
        """A version ready to score, or why it cannot be loaded."""
        key = model, version
        if key not in self._loaded:
            try:
                self._loaded[key] = self.load(self.registry, model, version)
            except LoadError as error:
                self._loaded[key] = error
        return self._loaded[key]

    def cuts(self, arm: ArmFacts) -> Sequence[tuple[str, float]]:
        """The bands of an arm's version and the score at which each begins; older journals do not have them."""
        if arm.bands:
            return list(zip(arm.bands, arm.cuts, strict=True))
        try:
            bands = self.registry.manifest(arm.model, arm.version).score.bands
        except RegistryError:
            return ()
        return [(band.name, band.from_score) for band in bands]


class Plan(ABC):
    """Says by which route the rows of a journaled route are scored again."""

    def __init__(self, versions: Versions) -> None:
        self.versions = versions
        self._routes: dict[Hashable, ReplayRoute] = {}

    def route(self, facts: RouteFacts) -> ReplayRoute:
        """The route for journaled rows. Raises RegistryError or ReplayError where the registry does not have it."""
        key = facts.route, facts.revision, facts.schema_digest, facts.hashed, facts.left_out, _arms_of(facts)
        if key not in self._routes:
            if len(self._routes) == _ROUTES_KEPT:
                del self._routes[next(iter(self._routes))]
            self._routes[key] = self.make(facts)
        return self._routes[key]

    @abstractmethod
    def make(self, facts: RouteFacts) -> ReplayRoute:
        """Makes the route; ``route`` keeps it."""


class AsDecided(Plan):
    """Rows are scored by the version that the journal says served them.

    They are assigned to arms as the row's revision of the registry defines the route, to compare the arms.
    """

    def make(self, facts: RouteFacts) -> ReplayRoute:
        """The route of the rows' own revision."""
        document = self.versions.registry.at(facts.revision).state.routes.require(facts.route)
        served = {arm.ref for arm in facts.arms}
        # A fallback that could not be loaded is no arm of the journal.
        if not served.issuperset(document.arms) or not served.issubset(document.answering_refs):
            raise ReplayError(
                f"revision {facts.revision} of this registry has other arms of route {facts.route} than the journal: "
                "give --registry the one that served"
            )
        return _route(document, facts, facts.arms, self.versions, facts.revision, as_decided=True)


class AsOf(Plan):
    """Rows are assigned and scored as one revision of the registry would."""

    def __init__(self, versions: Versions, revision: int) -> None:
        super().__init__(versions)
        self._snapshot = versions.registry.at(revision)

    def make(self, facts: RouteFacts) -> ReplayRoute:
        """The route of the revision."""
        document = self._snapshot.state.routes.require(facts.route)
        arms = [ArmFacts(ref, *self._snapshot.resolve(ref), "") for ref in document.answering_refs]
        return _route(document, facts, arms, self.versions, self._snapshot.revision)


class WithVersion(Plan):
    """Rows of every arm are scored by one version."""

    def __init__(self, versions: Versions, ref: ModelRef) -> None:
        """Raises RegistryError where the newest revision does not have it."""
        super().__init__(versions)
        snapshot = versions.registry.latest()
        self._revision = snapshot.revision
        self._arm = ArmFacts(str(ref), *snapshot.resolve(ref), "")
        self._schema = schema_like(versions.registry.manifest(self._arm.model, self._arm.version).inputs)

    def make(self, facts: RouteFacts) -> ReplayRoute:
        """A route to the version alone."""
        everybody = RouteArm(ref=self._arm.ref, ranges=(BucketRange(0, WHOLE),))
        document = RouteDocument(
            route=facts.route, schema=self._schema, salt=facts.route, rules=(Rule(arms=(everybody,)),)
        )
        return _route(document, facts, [self._arm], self.versions, self._revision, assigns=False)


def _arms_of(facts: RouteFacts) -> Hashable:
    return tuple((arm.ref, arm.model, arm.version, arm.digest) for arm in facts.arms)


def _route(
    document: RouteDocument,
    facts: RouteFacts,
    arms: Sequence[ArmFacts],
    versions: Versions,
    revision: int,
    *,
    as_decided: bool = False,
    assigns: bool = True,
) -> ReplayRoute:
    """Binds those of the arms that can score to the journaled layout."""
    layout, assigner = layout_of(facts), Assigner(document)
    found = [_arm(arm, facts, layout, versions) for arm in arms]
    usable = [arm for arm in found if isinstance(arm, Arm)]
    can_score = np.array([isinstance(arm, Arm) for arm in found], bool)
    places = np.where(can_score, np.cumsum(can_score) - 1, -1)
    refs = [arm.ref for arm in arms]
    fallback = None if as_decided or document.fallback is None else int(places[refs.index(document.fallback)])
    compiled = CompiledRoute(
        name=facts.route,
        revision=revision,
        document=document,
        layout=layout,
        assigner=assigner,
        arms=tuple(usable),
        fallback=None if fallback == -1 else fallback,
        older={},
    )
    return ReplayRoute(
        compiled=compiled,
        arms=tuple(arms),
        places=places,
        problems=tuple("" if isinstance(arm, Arm) else arm for arm in found),
        drawn=np.array([refs.index(ref) for ref in assigner.arms], np.intp),
        as_decided=as_decided,
        assigns=assigns,
    )


def _arm(arm: ArmFacts, facts: RouteFacts, layout: Layout, versions: Versions) -> Arm | str:
    """An arm bound to the journaled layout, or why it cannot score."""
    model = versions.loaded(arm.model, arm.version)
    if isinstance(model, LoadError):
        return str(model)
    if arm.digest and arm.digest != model.digest:
        return f"{arm.model}@{arm.version} of this registry is another file than the one that served"
    lacking = _lacking(model.manifest.inputs, layout)
    if not lacking:
        return Arm.of(arm.ref, model, layout)
    sensitive = [name for name in lacking if name in {*facts.left_out, *facts.hashed}]
    if sensitive:
        return f"sensitive features are not journaled: {', '.join(sensitive)}"
    return f"{arm.model}@{arm.version} takes what the journaled rows do not have: {', '.join(lacking)}"


def _lacking(inputs: InputContract, layout: Layout) -> list[str]:
    """What a model takes and a layout does not have."""
    lacking = [feature.name for feature in inputs.features if layout.features.get(feature.name) != feature.kind]
    for taken in inputs.ragged:
        known = layout.items[layout.places[taken.name]] if taken.name in layout.places else {}
        lacking += [f"{taken.kind.item}.{name}" for name in taken.features if name not in known]
    return lacking

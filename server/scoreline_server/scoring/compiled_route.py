"""A route compiled for serving: its layout, its arms bound to loaded models, and its assigner."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.documents.contract import Points
from scoreline_registry.routing.assignment import Assigner, shadow_salt
from scoreline_registry.routing.bucketing import WHOLE, UnitHasher
from scoreline_registry.routing.route import RouteDocument, RouteSchema, schema_digest
from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.scoring.answer_cache import AnswerCaching
from scoreline_server.scoring.binding import Binding
from scoreline_server.scoring.column_form import ColumnRemap
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.model import LoadedModel
from scoreline_server.scoring.model_run import DirectRun, ModelRun
from scoreline_server.scoring.reasons.naming import Naming
from scoreline_server.scoring.route_profiles import RouteProfiles
from scoreline_server.scoring.wire import RowEncoder

NO_BAND = 65535

# Estimates for admission, which learns how far off they are: a call beside its model, a read of the store, a row's
# features from its state.
_CALL_SECONDS = 50e-6
_READ_SECONDS = 200e-6
_READING_SECONDS = 100e-6

RunOf: TypeAlias = Callable[[LoadedModel, Binding], ModelRun]
"""Makes the run of an arm."""


@dataclass(frozen=True)
class Arm:
    """One model that a route can assign, under the reference in the route; ``run`` scores bound rows by it."""

    ref: str
    model: LoadedModel
    binding: Binding
    run: ModelRun
    band_edges: np.ndarray[tuple[int], np.dtype[np.float64]]
    band_names: tuple[str, ...]
    points: Points | None
    served_arm: pb.ServedArm

    @classmethod
    def of(cls, ref: str, model: LoadedModel, layout: Layout, *, run: RunOf = DirectRun) -> "Arm":
        """Binds a model to the route's layout; ``run`` makes what runs it."""
        score, binding = model.manifest.score, Binding(model.manifest.inputs, layout)
        return cls(
            ref,
            model,
            binding,
            run(model, binding),
            np.array([band.from_score for band in score.bands], np.float64),
            tuple(band.name for band in score.bands),
            score.points,
            pb.ServedArm(model=model.name, version=model.version, arm=ref, model_digest=model.digest),
        )


@dataclass(frozen=True)
class CompiledShadow:
    """A model that scores a sample of a route's rows after they were answered, for comparison.

    A unit is in the sample when its bucket under ``hasher`` is below ``share``.
    """

    ref: str
    model: LoadedModel
    binding: Binding
    hasher: UnitHasher
    share: float


@dataclass(frozen=True)
class CompiledRoute:
    """An adopted route of one revision. Immutable.

    Attributes:
        arms: the arms that the assigner can assign, in its order, then the fallback if it is none of them.
        fallback: index into ``arms``, or None where there is none or it could not be loaded.
        older: by schema digest, how to read earlier layouts that callers may still send.
        shadows: those that could be loaded.
        profiles: the profiles that fill what callers leave out; None for none.
    """

    name: str
    revision: int
    document: RouteDocument
    layout: Layout
    assigner: Assigner
    arms: tuple[Arm, ...]
    fallback: int | None
    older: Mapping[str, ColumnRemap]
    shadows: tuple[CompiledShadow, ...] = ()
    profiles: RouteProfiles | None = None

    @cached_property
    def first_arms(self) -> Sequence[int]:
        """Per arm, the index of the first arm with the same version."""
        keys = [arm.model.key for arm in self.arms]
        return [keys.index(key) for key in keys]

    @cached_property
    def row_encoders(self) -> tuple[RowEncoder, ...]:
        """The encoder of one-row responses of each arm."""
        return tuple(RowEncoder(arm.served_arm, self.revision) for arm in self.arms)

    @cached_property
    def waits(self) -> bool:
        """Whether a row may wait for a store of profiles or answers; such calls have threads beside the hot lane."""
        return self.profiles is not None or any(arm.run.waits for arm in self.arms)

    @cached_property
    def row_seconds(self) -> float:
        """The estimated time of one row by the slowest arm, without the read of its profiles."""
        model = max(arm.model.row_microseconds for arm in self.arms) / 1e6
        return model if self.profiles is None else model + _READING_SECONDS * len(self.profiles.fills)

    @cached_property
    def call_seconds(self) -> float:
        """The estimated time of a call beside its rows: decoding, assignment, encoding, sending, reads of profiles."""
        reads = 0 if self.profiles is None else len(self.profiles.fills)
        return _CALL_SECONDS + _READ_SECONDS * reads

    @cached_property
    def required(self) -> frozenset[str]:
        """Features that at least one arm requires."""
        return frozenset().union(*(arm.binding.required_names for arm in self.arms))

    @cached_property
    def extras(self) -> tuple[str, ...]:
        """The extra outputs that at least one arm has."""
        return tuple(sorted({name for arm in self.arms for name in arm.model.manifest.score.extras}))

    @cached_property
    def sensitive(self) -> frozenset[str]:
        """The names of inputs that at least one model behind this route calls sensitive."""
        features = (feature for model in self.models for feature in model.manifest.inputs.features)
        return frozenset(feature.name for feature in features if feature.sensitive)

    @cached_property
    def namings(self) -> tuple[Naming, ...]:
        """How reasons of each arm's scores are named."""
        return tuple(Naming.of(arm.model.manifest, self.sensitive) for arm in self.arms)

    @property
    def reason_seconds(self) -> float:
        """The estimated time of one row's reasons by the slowest arm."""
        return max(arm.model.reason_seconds for arm in self.arms)

    @property
    def lacks_fallback(self) -> bool:
        """Whether the route names a fallback that could not be loaded."""
        return self.fallback is None and self.document.fallback is not None

    @property
    def is_degraded(self) -> bool:
        """Whether the route is served without its fallback or one of its shadows."""
        return self.lacks_fallback or len(self.shadows) < len(self.document.shadows)

    @property
    def models(self) -> Sequence[LoadedModel]:
        """Every model behind this route, those of shadows too."""
        return [*(arm.model for arm in self.arms), *(shadow.model for shadow in self.shadows)]

    def missing_unit_error(self) -> ScoringError:
        """The error of an entity without the unit that the route's splits hash."""
        unit = self.document.unit
        return ScoringError(
            ErrorReason.MISSING_UNIT, f"route {self.name} splits by {unit}: send it with every entity", unit=unit
        )

    def uses(self) -> frozenset[tuple[str, int]]:
        """The versions that this route can reach."""
        return frozenset(model.key for model in self.models)


def layout_of(schema: RouteSchema) -> Layout:
    """A stored schema as columns."""
    return Layout(schema.kinds, schema.ragged, schema_digest(schema))


def compile_route(
    document: RouteDocument,
    revision: int,
    models: Mapping[str, LoadedModel],
    shadows: Mapping[str, LoadedModel] = MappingProxyType({}),
    *,
    caching: AnswerCaching | None = None,
    profiles: RouteProfiles | None = None,
) -> CompiledRoute:
    """Compiles a route whose arms are all loaded; both mappings hold models by reference text.

    A fallback that is not among ``models`` is left out. Without ``caching`` a section ``cache`` has no effect, without
    ``profiles`` a section ``profiles`` has none.
    """
    layout = layout_of(document.input_schema)
    assigner = Assigner(document)
    refs = list(assigner.arms)
    fallback = document.fallback if document.fallback in models else None
    if fallback is not None and fallback not in refs:
        refs.append(fallback)
    run = partial(caching.run, document.route, document.cache) if caching else DirectRun
    arms = tuple(Arm.of(ref, models[ref], layout, run=run) for ref in refs)
    return CompiledRoute(
        name=document.route,
        revision=revision,
        document=document,
        layout=layout,
        assigner=assigner,
        arms=arms,
        fallback=None if fallback is None else refs.index(fallback),
        older=_older(document, layout, arms),
        shadows=tuple(
            CompiledShadow(
                ref=shadow.ref,
                model=shadows[shadow.ref],
                binding=Binding(shadows[shadow.ref].manifest.inputs, layout),
                hasher=UnitHasher(shadow_salt(document.salt, shadow.ref)),
                share=shadow.sample_millionths / WHOLE,
            )
            for shadow in document.shadows
            if shadow.ref in shadows
        ),
        profiles=profiles,
    )


def _older(document: RouteDocument, layout: Layout, arms: Sequence[Arm]) -> Mapping[str, ColumnRemap]:
    """Earlier layouts that have every feature that an arm requires."""
    required = {name for arm in arms for name in arm.binding.required_names}
    needed = {each.name for each in layout.ragged if each.kind.least}
    older = {}
    for schema in document.earlier_schemas:
        old = layout_of(schema)
        suffices = needed <= old.places.keys() and required <= old.features.keys()
        if old.digest != layout.digest and suffices:
            older[old.digest] = ColumnRemap.between(old, layout)
    return older

"""Compiles the profiles of a route: which of its columns each of them fills."""

from collections.abc import Mapping, Sequence

import numpy as np

from scoreline_registry.documents.ragged import NEIGHBORS, SEQUENCE
from scoreline_registry.profiles.route_inputs import ProfileReads, profile_reads
from scoreline_registry.routing.route import RouteDocument
from scoreline_server.scoring.compiled_profile import CompiledProfile
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.route_profiles import (
    Columns,
    NeighborsFill,
    ProfileFill,
    RouteProfiles,
    SequenceFill,
    StateReader,
)


def compile_profiles(
    document: RouteDocument, layout: Layout, profiles: Mapping[str, CompiledProfile], states: StateReader
) -> RouteProfiles:
    """The profiles that a route names, which must fit it (see ``profile_errors``)."""
    reads = profile_reads(document, {name: each.document for name, each in profiles.items()})
    fields = {field for each in reads for field in each.event_fields}
    return RouteProfiles(
        fills=tuple(_fill(profiles[each.profile], each, layout) for each in reads),
        event_numbers={name: column for name, column in layout.numbers.items() if name in fields},
        event_categories={name: column for name, column in layout.categories.items() if name in fields},
        states=states,
    )


def _fill(profile: CompiledProfile, reads: ProfileReads, layout: Layout) -> ProfileFill:
    return ProfileFill(
        profile=profile,
        numbers=_columns(reads.features, layout.numbers),
        categories=_columns(reads.features, layout.categories),
        context=reads.facts,
        sequence=None if reads.sequence is None else _sequence(reads.sequence, layout),
        neighbors=None if reads.neighbors is None else _neighbors(reads.neighbors, layout),
    )


def _columns(names: Sequence[str], columns: Mapping[str, int]) -> Columns:
    known = tuple(name for name in names if name in columns)
    return Columns(known, np.array([columns[name] for name in known], np.intp))


def _sequence(feature: str, layout: Layout) -> SequenceFill:
    place = layout.places[SEQUENCE.name]
    return SequenceFill(feature, place, layout.items[place], layout.item_codes[place], layout.ragged[place].max_items)


def _neighbors(feature: str, layout: Layout) -> NeighborsFill:
    place = layout.places[NEIGHBORS.name]
    return NeighborsFill(feature, place, layout.ragged[place].features, layout.ragged[place].max_items)

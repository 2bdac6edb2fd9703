"""Figures of a whole profile: the newest event, and a digest of every entity's features."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from itertools import islice

from scoreline_registry.profiles.computation.computation import Reading
from scoreline_server.profile_stores.store import ProfileStore, Stored
from scoreline_server.scoring.compiled_profile import CompiledProfile

_ENTITIES = 256


def stored_entities(store: ProfileStore, profile: str) -> Iterator[tuple[str, Stored]]:
    """Every entity of a profile with what is stored of it, in order of their ids."""
    entities = store.entities(profile)
    while some := list(islice(entities, _ENTITIES)):
        found = store.read(profile, some)
        for entity in some:
            if entity in found:
                yield entity, found[entity]


def newest_event(store: ProfileStore, profile: str) -> int | None:
    """The time of the newest event of all entities, in microseconds since 1970; None where there is none."""
    return max((stored.newest for _, stored in stored_entities(store, profile)), default=None)


def profile_digest(
    store: ProfileStore, profile: CompiledProfile, *, at: int, on_entities: Callable[[int], None] = lambda _: None
) -> str:
    """The sha256 of the features of all entities as of a time, and of the states that they are read from, in hex.

    It is equal for stores of any kind that have the same events, however late, repeated or folded they are. ``at`` is
    after the newest event.
    """
    computation = profile.computation
    digest = hashlib.sha256()
    for entity, stored in stored_entities(store, profile.name):
        state = computation.decode(stored.folded)
        for event in stored.pending:
            computation.fold(state, event)
        digest.update(_line(entity, computation.view(state, at=at)))
        digest.update(computation.encode(state))
        on_entities(1)
    return digest.hexdigest()


def _line(entity: str, reading: Reading) -> bytes:
    """An entity's features as one line, each number with all its bits."""
    values = [
        entity,
        {name: _bits(number) for name, number in reading.numbers.items()},
        dict(reading.categories),
        {name: [_step(step) for step in steps] for name, steps in reading.sequences.items()},
        {name: list(entities) for name, entities in reading.neighbors.items()},
    ]
    return json.dumps(values, sort_keys=True).encode() + b"\n"


def _step(step: object) -> object:
    if not isinstance(step, dict):
        return step
    return {name: value if isinstance(value, str) else _bits(value) for name, value in step.items()}


def _bits(number: float) -> str | None:
    return None if math.isnan(number) else float(number).hex()

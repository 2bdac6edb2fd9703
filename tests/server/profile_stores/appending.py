"""A process that appends events to a store: ``python -m tests.server.profile_stores.appending HOW URL PROFILE``."""

import sys
from collections.abc import Iterator
from itertools import count

from scoreline_registry.profiles.events import Event
from scoreline_server.profile_stores.opening import open_store
from scoreline_server.profile_stores.store import Offset, ProfileStore, Receipt
from tests.server.profile_stores.reference import event, fold_of

ENTITIES = 5
CALL = 7
CONSUMER = "appending"


def call_of(number: int) -> list[Event]:
    """The events of a call; each has a time of its own."""
    return [event(f"u{i % ENTITIES}", f"e{i}", i) for i in range(CALL * number, CALL * (number + 1))]


def append_same(store: ProfileStore, profile: str) -> int:
    """How many of 400 events were kept."""
    return sum(store.append(profile, call_of(call), lateness=10_000).count(Receipt.KEPT) for call in range(57))


def append_and_fold(store: ProfileStore, profile: str) -> Iterator[int]:
    """Appends calls for ever and folds some; the number of each call that was acknowledged."""
    for call in count():
        offsets = [Offset(CONSUMER, "topic", 0, call + 1)]
        store.append(profile, call_of(call), lateness=10_000, offsets=offsets)
        yield call
        entity = f"u{call % ENTITIES}"
        stored = store.read(profile, [entity])[entity]
        if len(stored.pending) > 5:
            store.fold(profile, [fold_of(entity, stored, 4)])


def main(how: str, url: str, profile: str) -> None:
    """Appends as ``how`` says and prints what was acknowledged."""
    store = open_store(url, None)
    assert store is not None
    if how == "same":
        print(append_same(store, profile))
        store.close()
        return
    for call in append_and_fold(store, profile):
        print(call, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

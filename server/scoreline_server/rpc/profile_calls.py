"""Handlers of ProfileService: they record events, read the profile of an entity, and forget it everywhere.

They run on the ordinary server's threads, never on the hot lane, and leave one of them free: a store that hangs holds
up recording, not the other calls.
"""

from collections.abc import Sequence

from scoreline.v1 import profiles_pb2 as pb
from scoreline_server.errors import CallError, ErrorReason
from scoreline_server.events.live import LiveProfiles
from scoreline_server.events.recording import MAX_EVENTS
from scoreline_server.forgetting.background import Forgetting
from scoreline_server.forgetting.opening import asked_for
from scoreline_server.gil_switching import background_work
from scoreline_server.limit_stores.store import LimitStore
from scoreline_server.rpc.authority import Action, Caller
from scoreline_server.rpc.methods import Method
from scoreline_server.rpc.profile_messages import asked, decoded_events, profile_response, record_response
from scoreline_server.rpc.thread_slots import ThreadSlots
from scoreline_server.scoring.catalog import Catalog

_SERVICE = "/scoreline.v1.ProfileService/"
_BUSY = "other calls wait for the store of profiles: try again"
_BUSY_LIMITS = "other calls wait for a store: try again"


class ProfileCalls:
    """Answers ProfileService. ``profiles`` is None where the server has no store of profiles."""

    def __init__(
        self,
        profiles: LiveProfiles | None,
        forgetting: Forgetting | None,
        *,
        limits: LimitStore | None,
        remaining: Sequence[str],
        slots: ThreadSlots,
    ) -> None:
        """``slots`` are the threads that may wait for the store.

        ``forgetting`` forgets entities in the journal, and ``limits`` counts actions; None without them. ``remaining``
        says where else than in its profiles this server keeps data of entities, one sentence each.
        """
        self._profiles, self._forgetting, self._limits = profiles, forgetting, limits
        self._remaining, self._slots = remaining, slots

    def methods(self) -> list[Method]:
        """The rows of the method table."""
        return [
            Method(_SERVICE + "RecordEvents", pb.RecordEventsRequest, Action.EVENTS_RECORD, self.record),
            Method(_SERVICE + "GetEntityProfile", pb.GetEntityProfileRequest, Action.PROFILES_READ, self.get),
            Method(_SERVICE + "ForgetEntity", pb.ForgetEntityRequest, Action.PROFILES_FORGET, self.forget),
        ]

    def record(self, request: pb.RecordEventsRequest, catalog: Catalog, _caller: Caller) -> pb.RecordEventsResponse:
        """Keeps the events of a call that are right, and says what is wrong with the others."""
        with self._slots.taken(_BUSY):
            return self.record_batch(request, catalog)

    def record_batch(self, request: pb.RecordEventsRequest, catalog: Catalog) -> pb.RecordEventsResponse:
        """The same for one batch of a stream, which has a thread of its own."""
        profiles = self._on()
        profile = profiles.definitions.require(request.profile, catalog.revision)
        if len(request.events) > MAX_EVENTS:
            raise CallError(
                ErrorReason.TOO_MANY_EVENTS,
                f"{len(request.events):,} events in one call; send at most {MAX_EVENTS:,}, in several calls",
            )
        with background_work():
            events = decoded_events(profile, request.events)
        return record_response(profiles.record(profile, events))

    def get(
        self, request: pb.GetEntityProfileRequest, catalog: Catalog, _caller: Caller
    ) -> pb.GetEntityProfileResponse:
        """Reads the features of an entity."""
        profiles = self._on()
        profile = profiles.definitions.require(request.profile, catalog.revision)
        _check_entity(request.entity_id)
        at, event = asked(profile, request, profiles.now())
        with self._slots.taken(_BUSY):
            return profile_response(profiles.read(profile, request.entity_id, at=at, event=event))

    def forget(self, request: pb.ForgetEntityRequest, catalog: Catalog, _caller: Caller) -> pb.ForgetEntityResponse:
        """Removes what one profile has of an entity; or what all and the limits have, and has the journal forget it."""
        _check_entity(request.entity_id)
        if request.profile:
            name = self._on().definitions.require(request.profile, catalog.revision).name
            removed, remaining = self._removed([name], request.entity_id), self._remaining
        else:
            # Asked for first: it is durable, and done also where the store of profiles fails.
            remaining = self._asked_for(request.entity_id)
            names = self._profiles.definitions.names(catalog.revision) if self._profiles else []
            removed = self._removed(names, request.entity_id)
            self._forget_limits(request.entity_id)
        return pb.ForgetEntityResponse(profiles=removed, remaining=remaining)

    def _removed(self, names: Sequence[str], entity: str) -> list[str]:
        """Removes an entity from some profiles; the names of those that held something of it."""
        if not names:
            return []
        with self._slots.taken(_BUSY):
            return self._on().forget(names, entity)

    def _forget_limits(self, entity: str) -> None:
        if self._limits is not None:
            with self._slots.taken(_BUSY_LIMITS):
                self._limits.forget(entity)

    def _asked_for(self, entity: str) -> Sequence[str]:
        try:
            return asked_for(self._forgetting, entity)
        except OSError as error:
            problem = f"the request to forget cannot be written beside the journal: {error.strerror or error}"
            raise CallError(ErrorReason.STORAGE_FAILED, problem) from error

    def _on(self) -> LiveProfiles:
        """The profiles. Raises CallError where the server has none."""
        if self._profiles is None:
            raise CallError(ErrorReason.PROFILES_OFF, "this server keeps no profiles: set profile_store")
        return self._profiles


def _check_entity(entity_id: str) -> None:
    if not entity_id:
        raise CallError(ErrorReason.INVALID, "entity_id is required", field="entity_id")

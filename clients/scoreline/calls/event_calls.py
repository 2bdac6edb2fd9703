"""The calls of the service of profiles, as flows."""

from collections.abc import Sequence
from typing import Any

from scoreline.calls.retrying import RetryingCalls
from scoreline.calls.transport import Flow, Method
from scoreline.decoding.profiles import EntityProfile, Forgotten
from scoreline.encoding.events import EventLike, at_hand
from scoreline.encoding.timestamps import timestamp
from scoreline.fields import Time, event_time, wrong_field
from scoreline.v1 import profiles_pb2 as pb


def record_flow(
    retrying: RetryingCalls, profile: str, events: Sequence[pb.EntityEvent]
) -> Flow[pb.RecordEventsResponse]:
    """Records events in one call, with the client's timeout; repeating it changes nothing."""
    request = pb.RecordEventsRequest(profile=profile, events=events)
    answer: pb.RecordEventsResponse = yield from retrying.call(Method.RECORD, request, retrying.deadline(None))
    return answer


def profile_flow(
    retrying: RetryingCalls,
    profile: str,
    entity_id: Any,
    *,
    time: Time | None,
    event: EventLike | None,
    timeout_seconds: float | None,
) -> Flow[EntityProfile]:
    """Reads the profile of an entity."""
    request = pb.GetEntityProfileRequest(
        profile=_text("profile", profile), entity_id=_text("entity_id", entity_id), event=at_hand(event)
    )
    if time is not None:
        request.time.CopyFrom(timestamp(event_time("time", time)))
    answer = yield from retrying.call(Method.PROFILE, request, retrying.deadline(timeout_seconds))
    return EntityProfile.from_message(answer)


def forget_flow(
    retrying: RetryingCalls, entity_id: Any, *, profile: str | None, timeout_seconds: float | None
) -> Flow[Forgotten]:
    """Forgets an entity, in one profile or in all."""
    request = pb.ForgetEntityRequest(
        profile="" if profile is None else _text("profile", profile), entity_id=_text("entity_id", entity_id)
    )
    answer = yield from retrying.call(Method.FORGET, request, retrying.deadline(timeout_seconds))
    return Forgotten(tuple(answer.profiles), tuple(answer.remaining))


def _text(field: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and field == "entity_id":
        return str(value)
    if not isinstance(value, str) or not value:
        raise wrong_field(field, "takes a text that is not empty", "WRONG_TYPE")
    return value

"""Events of messages."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.profiles.events import Event, EventError
from scoreline_server.scoring.event_messages import decoded_event
from tests.server.wire import value


def test_values_keep_their_kind_and_missing_ones_are_left_out() -> None:
    raw: dict[str, float | str | bool | None] = {
        "amount": 2.5,
        "method": "card",
        "gift": True,
        "unset": None,
        "nan": float("nan"),
    }
    message = pb.Event(
        type="purchase", id="p-1", time=Timestamp(seconds=7, nanos=1_999), fields={k: value(v) for k, v in raw.items()}
    )
    fields: dict[str, float | str] = {"amount": 2.5, "method": "card", "gift": 1.0}
    assert decoded_event("ann", message) == Event("ann", "p-1", 7_000_001, "purchase", fields)


def test_an_event_at_hand_without_a_time_happens_now_and_a_recorded_one_is_refused() -> None:
    assert decoded_event("ann", pb.Event(type="click"), now=5).time == 5
    with pytest.raises(EventError, match="time: is required"):
        decoded_event("ann", pb.Event(type="click"))


@pytest.mark.parametrize("nanos", [-1, 10**9])
def test_a_time_whose_nanos_are_not_those_of_a_second_is_refused(nanos: int) -> None:
    with pytest.raises(EventError, match="has nanos outside"):
        decoded_event("ann", pb.Event(time=Timestamp(seconds=7, nanos=nanos)))

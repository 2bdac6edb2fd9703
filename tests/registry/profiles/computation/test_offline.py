"""A log is replayed as it was live."""

from scoreline_registry.profiles.computation.offline import Cut, ordered, replay
from tests.registry.profiles.computation.samples import DAY, START, computation, purchase, read

COMPUTED = computation("n: {aggregate: count}", "z: {aggregate: z_score, events: purchase, field: amount, default: 0}")
ADA = [purchase(day * DAY, day % 3) for day in range(6)]
BOB = [event._replace(entity="bob") for event in ADA[2:]]


def test_a_log_is_ordered_by_entity_and_place_and_repetitions_are_left_out() -> None:
    repeated = ADA[3]._replace(time=START, fields={})
    assert ordered([*BOB, *ADA[::-1], repeated]) == [*ADA, *BOB]


def test_each_cut_is_read_as_of_its_time() -> None:
    cuts = [
        Cut("ada", START),
        *(Cut("ada", event.time, event) for event in ADA),
        Cut("ada", START + 9 * DAY),
        Cut("ann", START + 9 * DAY),
        Cut("bob", START + 4 * DAY, ADA[5]),
    ]
    found = list(replay(COMPUTED, ordered([*ADA, *BOB]), cuts))
    live = [COMPUTED.read(b"", ADA if cut.entity == "ada" else [], at=cut.at, event=cut.event) for cut in cuts[:-1]]
    assert found == [*live, COMPUTED.read(b"", BOB, at=START + 4 * DAY, event=ADA[5])]
    assert [reading.numbers["n"] for reading in found] == [0, 0, 1, 2, 3, 4, 5, 6, 0, 2]
    assert found[0].is_new
    assert found[-2] == read(COMPUTED, [], at=0)

"""Reservations for decisions end in time, whatever the store does, and share its calls."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from scoreline_registry.decisions.reservations import Claim, Grant, Refusal, Reservation
from scoreline_server.errors import LimitStoreError
from scoreline_server.limit_stores.timed_reserving import TimedLimits
from tests.server.databases.clocks import Clock
from tests.server.limit_stores.contract import DAY, NOW, SECOND, asking, total
from tests.server.limit_stores.reference import ReferenceLimits
from tests.waiting import wait_until

Reserve = Callable[[Sequence[Reservation], int], list[Grant]]
ASKED = [asking(total("campaign", 1000))]


class Store:
    """A store of which a test decides what a call does; ``calls`` are those that were begun."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []
        self.do: Reserve = ReferenceLimits().reserve

    def reserve(self, reservations: Sequence[Reservation], now_us: int) -> list[Grant]:
        """What the test decides."""
        self.calls.append((len(reservations), now_us))
        return self.do(reservations, now_us)


class Seconds:
    """The times that answers took."""

    def __init__(self) -> None:
        self.counted = 0

    def limits_reserved(self, seconds: float) -> None:
        """Counts one."""
        assert seconds >= 0
        self.counted += 1


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Set at the end, so that no call hangs longer than its test."""
    event = threading.Event()
    yield event
    event.set()


def limits_of(store: Store, clock: Clock, *, seconds: float = 30) -> TimedLimits:
    return TimedLimits(store, seconds=seconds, counting=Seconds(), clock=clock)


def hang(released: threading.Event) -> Reserve:
    def reserve(reservations: Sequence[Reservation], _now_us: int) -> list[Grant]:
        released.wait(60)
        return [Grant("nudge") for _ in reservations]

    return reserve


def once(released: threading.Event, reserve: Reserve) -> Reserve:
    """Does the same, once that is released."""

    def wait_and_reserve(reservations: Sequence[Reservation], now_us: int) -> list[Grant]:
        released.wait(60)
        return reserve(reservations, now_us)

    return wait_and_reserve


def fail(_reservations: Sequence[Reservation], _now_us: int) -> list[Grant]:
    raise LimitStoreError("redis://nowhere: connection refused")


def test_grants_are_those_of_the_store_in_order(store: Store, clock: Clock) -> None:
    counting = Seconds()
    limits = TimedLimits(store, seconds=30, counting=counting, clock=clock)
    asked = [asking(total("campaign", 1)), asking(total("campaign", 1))]
    assert limits.reserve(asked, NOW) == [Grant("nudge"), Grant(None, (Refusal("nudge", "campaign"),))]
    assert store.calls == [(2, NOW)]
    assert counting.counted == 1
    limits.close()


def test_actions_without_limits_do_not_ask_the_store(store: Store, clock: Clock) -> None:
    limits = limits_of(store, clock)
    offer = Claim("offer", (total("campaign", 0),))
    assert limits.reserve([asking(), Reservation(()), Reservation((Claim("nudge"), offer))], NOW) == [
        Grant("nudge"), Grant(None), Grant("nudge")
    ]  # fmt: skip
    assert limits.reserve([], NOW) == []
    assert store.calls == []
    mixed = [asking(), Reservation((offer, Claim("nudge"))), asking()]
    refused = Grant("nudge", (Refusal("offer", "campaign"),))
    assert limits.reserve(mixed, NOW) == [Grant("nudge"), refused, Grant("nudge")]
    assert store.calls == [(1, NOW)]
    limits.close()


def test_callers_that_wait_share_a_call(store: Store, clock: Clock, released: threading.Event) -> None:
    limits, store.do = limits_of(store, clock), once(released, store.do)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(limits.reserve, ASKED, NOW)
        wait_until(lambda: len(store.calls) == 1)
        others = [pool.submit(limits.reserve, ASKED * 2, NOW + at) for at in range(8)]
        wait_until(lambda: limits._calls.qsize() == 8)
        released.set()
        assert first.result() == [Grant("nudge")]
        assert [each.result() for each in others] == [[Grant("nudge")] * 2] * 8
    assert store.calls == [(1, NOW), (16, NOW + 7)]
    limits.close()


def test_calls_of_other_times_do_not_share_a_call(store: Store, clock: Clock, released: threading.Event) -> None:
    limits, store.do = limits_of(store, clock), once(released, store.do)
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(limits.reserve, ASKED, NOW)]
        wait_until(lambda: len(store.calls) == 1)
        times = (NOW, NOW - DAY, NOW + SECOND, NOW - DAY + 5, NOW + 2 * SECOND)
        asked += [pool.submit(limits.reserve, ASKED, time) for time in times]
        wait_until(lambda: limits._calls.qsize() == 5)
        released.set()
        assert [each.result() for each in asked] == [[Grant("nudge")]] * 6
    assert store.calls == [(1, NOW), (2, NOW - DAY + 5), (2, NOW + SECOND), (1, NOW + 2 * SECOND)]
    limits.close()


def test_a_store_that_hangs_is_waited_for_once_and_then_left_alone(
    store: Store, clock: Clock, released: threading.Event
) -> None:
    limits = limits_of(store, clock, seconds=0.01)
    answered, store.do = store.do, hang(released)
    assert [limits.reserve(ASKED, NOW) for _ in range(10)] == [None] * 10
    wait_until(lambda: len(store.calls) == 1)
    store.do = answered
    released.set()
    assert wait_until(lambda: limits.reserve(ASKED, NOW)) == [Grant("nudge")]
    limits.close()


def test_what_was_given_up_before_it_was_asked_for_is_not_counted(
    store: Store, clock: Clock, released: threading.Event
) -> None:
    limits = limits_of(store, clock, seconds=0.01)
    reference = ReferenceLimits()
    store.do = hang(released)
    with ThreadPoolExecutor(4) as pool:
        # The first hangs; those that came before it was late wait in the queue, and give up.
        assert list(pool.map(lambda _: limits.reserve(ASKED, NOW), range(4))) == [None] * 4
    store.do, limits._seconds, clock.now = reference.reserve, 60, 10.0
    released.set()
    assert wait_until(lambda: limits.reserve(ASKED, NOW)) == [Grant("nudge")]
    assert reference.totals == {ASKED[0].claims[0].checks[0].counter: 1}
    limits.close()


def test_a_store_that_fails_is_left_alone_for_a_second(
    store: Store, clock: Clock, capfd: pytest.CaptureFixture[str]
) -> None:
    limits = limits_of(store, clock)
    answered, store.do = store.do, fail
    assert [limits.reserve(ASKED, NOW) for _ in range(10)] == [None] * 10
    assert len(store.calls) == 3
    clock.now = 0.9
    assert limits.reserve(ASKED, NOW) is None
    assert len(store.calls) == 3
    clock.now, store.do = 1.1, answered
    assert limits.reserve(ASKED, NOW) == [Grant("nudge")]
    log = capfd.readouterr().out
    assert log.count("the store of limits does not answer; limited actions are held back, or not counted") == 1
    assert log.count("the store of limits answers again") == 1
    limits.close()


def test_one_wrong_reservation_fails_alone(store: Store, clock: Clock, released: threading.Event) -> None:
    limits, answered = limits_of(store, clock), store.do

    def refuse_wrong(reservations: Sequence[Reservation], now_us: int) -> list[Grant]:
        released.wait(60)
        if any(each.request == "wrong" for each in reservations):
            raise ValueError("wrong")
        return answered(reservations, now_us)

    store.do = refuse_wrong
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(limits.reserve, ASKED, NOW)]
        wait_until(lambda: len(store.calls) == 1)
        requests = ("", "wrong", "")
        asked += [pool.submit(limits.reserve, [asking(total("c", 9), request=each)], NOW) for each in requests]
        wait_until(lambda: limits._calls.qsize() == 3)
        released.set()
        assert [each.result() for each in asked] == [[Grant("nudge")], [Grant("nudge")], None, [Grant("nudge")]]
    limits.close()


def test_threads_are_each_given_their_own_grants(store: Store, clock: Clock) -> None:
    limits = limits_of(store, clock)

    def ask(number: int) -> bool:
        asked = [asking(total("c", 10_000), action=f"a{number}-{each}") for each in range(number % 5 + 1)]
        grants = limits.reserve(asked, NOW)
        return grants == [Grant(reservation.claims[0].action) for reservation in asked]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(400)))
    limits.close()

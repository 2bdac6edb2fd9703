"""The contract of every store of limits. A subclass gives the fixtures ``store`` and ``url``."""

import subprocess
import sys
from collections import Counter as Tally
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.decisions.reservations import (
    MOST,
    Check,
    Claim,
    Counter,
    Grant,
    Mark,
    Refusal,
    Reservation,
    Usage,
)
from scoreline_server.limit_stores.store import REPEATABLE_US, LimitStore
from tests.docs.pages import ROOT
from tests.server.limit_stores.asking import COST, NUDGES, OFFERS, UNITS, of_unit
from tests.server.limit_stores.reference import ReferenceLimits

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
NOW = 1_795_000_000 * SECOND

Step: TypeAlias = tuple[str, object]


def window(name: str, at_most: int | None, *, unit: str = "ann", span: int = DAY, amount: int = 1) -> Check:
    """A check of a window that has the limit's name."""
    return Check(name, Counter(name, unit), at_most, amount, span_us=span)


def total(name: str, at_most: int | None, *, amount: int = 1, bucket: str = "", ends: int | None = None) -> Check:
    """A check of a total of all units."""
    return Check(name, Counter(name, bucket=bucket), at_most, amount, ends_us=ends)


def asking(*checks: Check, action: str = "nudge", request: str = "") -> Reservation:
    """A reservation of one action."""
    return Reservation((Claim(action, checks),), request)


def granted(store: LimitStore, *checks: Check, now: int = NOW, action: str = "nudge") -> bool:
    """Whether one action was granted."""
    (grant,) = store.reserve([asking(*checks, action=action)], now)
    return grant.action is not None


def checks_of(kind: int, unit: str, salt: str) -> tuple[Check, ...]:
    """The checks of an action; each counter always has the same, so that no store drops what the reference keeps."""

    def counter(name: str, unit: str = "", bucket: str = "") -> Counter:
        return Counter(f"{salt}-{name}", unit, bucket)

    contact = counter("contact", unit)
    of_kind: list[tuple[Check, ...]] = [
        (Check("often", counter("often", unit), 2, span_us=10),),
        (Check("day", contact, 1, span_us=5), Check("week", contact, 3, span_us=20)),
        (Check("rest", counter("rest", unit), 0, 0, span_us=8),),
        (Check("rest", counter("rest", unit), None, 1, span_us=8),),
        (Check("campaign", counter("campaign"), 5), Check("often", counter("often", unit), 2, span_us=10)),
        (Check("money", counter("money", bucket="monday"), 1000, 300, ends_us=NOW + 30 * DAY),),
        (Check("money", counter("money", bucket="monday"), 1000, 450, ends_us=NOW + 30 * DAY),),
        (Check("mine", counter("mine", unit), 3),),
        (),
    ]
    return of_kind[kind]


_UNITS = ("ann", "bob", "Ünal\0", "")
_KINDS = st.lists(st.integers(0, 8), max_size=4, unique=True)
_REQUESTS = st.sampled_from(["", "", "r1", "r2", "r3"])
_ASKED = st.lists(st.tuples(_KINDS, st.sampled_from(_UNITS), _REQUESTS, _KINDS), max_size=4)
_STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("reserve"), _ASKED),
    st.tuples(st.just("reserve"), _ASKED),
    st.tuples(st.just("release"), _ASKED),
    st.tuples(st.just("note"), st.lists(st.tuples(st.sampled_from(_UNITS), st.integers(-9, 3)), max_size=3)),
    st.tuples(st.just("forget"), st.sampled_from(_UNITS)),
    st.tuples(st.just("wait"), st.integers(1, 30)),
    st.tuples(st.just("wait"), st.just(REPEATABLE_US)),
)


def done(store: LimitStore, step: Step, *, salt: str, now: int) -> object:
    """The result of a step."""
    match step:
        case ("reserve" | "release") as how, list(asked):
            reservations = [
                Reservation(
                    tuple(Claim(f"a{kind}", checks_of(kind, unit, salt)) for kind in kinds),
                    request and salt + request,
                    tuple(Claim(f"a{kind}", checks_of(kind, unit, salt)) for kind in others),
                )
                for kinds, unit, request, others in asked
            ]
            return store.reserve(reservations, now) if how == "reserve" else store.release(reservations, now)
        case "note", list(noted):
            store.note([Mark(Counter(f"{salt}-rest", unit), now + after, 8) for unit, after in noted], now)
            return None
        case "forget", str(unit):
            # Whether there was anything depends on what has ended.
            store.forget(unit)
            return None
        case _:
            return None


def contents(store: LimitStore, *, salt: str, now: int) -> list[object]:
    """What counts against each limit."""
    checks = [check for kind in range(9) for unit in _UNITS for check in checks_of(kind, unit, salt)]
    usages = store.read([check.counter for check in checks])
    return [
        min(usage.used(check.span_us, now), MOST if check.at_most is None or check.span_us is None else check.at_most)
        for check, usage in zip(checks, usages, strict=True)
        if check.at_most is not None
    ]


class LimitStoreContract:
    """What decisions rely on."""

    def test_any_steps_give_what_the_reference_gives(self, store: LimitStore) -> None:
        names = count()

        @settings(max_examples=60)
        @given(steps=st.lists(_STEPS, max_size=14))
        def check(steps: Sequence[Step]) -> None:
            # The units are the same each time, and forgotten with all that earlier examples have counted of them.
            for unit in _UNITS:
                store.forget(unit)
            salt, reference, now = f"s{next(names)}", ReferenceLimits(), NOW
            for step in steps:
                if step[0] == "wait":
                    assert isinstance(step[1], int)
                    now += step[1]
                assert done(store, step, salt=salt, now=now) == done(reference, step, salt=salt, now=now)
                assert contents(store, salt=salt, now=now) == contents(reference, salt=salt, now=now)

        check()

    def test_an_action_counts_until_exactly_its_window_has_passed(self, store: LimitStore) -> None:
        assert granted(store, window("daily", 1))
        assert not granted(store, window("daily", 1), now=NOW + DAY - 1)
        assert granted(store, window("daily", 1), now=NOW + DAY)

    def test_a_window_slides(self, store: LimitStore) -> None:
        check = window("hourly", 3, span=60)
        times = [NOW + at for at in (0, 10, 20, 30, 59, 60, 61, 70, 79, 80)]
        assert [granted(store, check, now=at) for at in times] == [
            True, True, True, False, False, True, False, True, False, True
        ]  # fmt: skip
        assert store.read([check.counter])[0].used(60, NOW + 80) == 3

    def test_units_are_counted_apart(self, store: LimitStore) -> None:
        for unit in ("ann", "bob", "ann\0", "Ünal", "a" * 256, "ann:bob"):
            assert granted(store, window("daily", 1, unit=unit))
            assert not granted(store, window("daily", 1, unit=unit))

    def test_names_and_buckets_are_told_apart(self, store: LimitStore) -> None:
        counters = [Counter("a", "", "bc"), Counter("ab", "", "c"), Counter("abc"), Counter("1:a", "", "b")]
        counters += [Counter(name, "ann", bucket) for name, _, bucket in counters]
        for amount, counter in enumerate(counters, 1):
            assert granted(store, Check("x", counter, MOST, amount))
        assert [usage.total for usage in store.read(counters)] == list(range(1, 9))

    def test_the_first_action_all_of_whose_checks_hold_is_granted(self, store: LimitStore) -> None:
        block = Claim("block", (total("blocks", 0),))
        offer = Claim("offer", (total("open", 9), total("offers", 1), window("daily", 5)))
        nudge = Claim("nudge", (window("daily", 5),))
        asked = Reservation((block, offer, nudge))
        first, second = store.reserve([asked, asked], NOW)
        assert first == Grant("offer", (Refusal("block", "blocks"),))
        assert second == Grant("nudge", (Refusal("block", "blocks"), Refusal("offer", "offers")))
        # The offer that was refused has added nothing, also not where its checks held.
        assert [usage.total for usage in store.read([Counter("open"), Counter("offers")])] == [1, 1]
        assert len(store.read([Counter("daily", "ann")])[0].times) == 2

    def test_no_action_is_granted_where_none_is_left(self, store: LimitStore) -> None:
        assert store.reserve([asking(total("none", 0))], NOW) == [Grant(None, (Refusal("nudge", "none"),))]
        assert store.reserve([Reservation(())], NOW) == [Grant(None)]
        assert store.reserve([], NOW) == []

    def test_of_several_limits_the_first_that_refuses_is_named(self, store: LimitStore) -> None:
        checks = total("open", 1), window("second", 0), total("third", 0)
        assert store.reserve([asking(*checks)], NOW) == [Grant(None, (Refusal("nudge", "second"),))]

    def test_other_actions_are_looked_at_before_anything_is_added_and_not_counted(self, store: LimitStore) -> None:
        checks = (window("daily", 1), total("all", 1))
        gone = Claim("gone", (total("none", 0),))
        both = (Claim("nudge", checks), Claim("offer", checks), gone)
        asked = Reservation((Claim("nudge", checks),), "", both)
        named = Reservation(asked.claims, "r", both)
        assert store.reserve([named], NOW) == [Grant("nudge", others_refused=("gone",))]
        assert store.reserve([named], NOW) == [Grant("nudge", is_repeated=True, others_refused=("gone",))]
        refused = (Refusal("nudge", "daily"),)
        assert store.reserve([asked], NOW) == [Grant(None, refused, others_refused=("nudge", "offer", "gone"))]
        looking = Reservation((), "", (Claim("free"), *both))
        assert store.reserve([looking], NOW + DAY) == [Grant(None, others_refused=("nudge", "offer", "gone"))]
        assert store.reserve([Reservation((), "", (Claim("nudge", checks[:1]),))] * 2, NOW + DAY) == [Grant(None)] * 2

    def test_an_action_without_checks_is_always_granted(self, store: LimitStore) -> None:
        assert store.reserve([asking()] * 3, NOW) == [Grant("nudge")] * 3

    def test_an_action_rests_after_another(self, store: LimitStore) -> None:
        after, rest = window("rest", None, span=HOUR), window("rest", 0, span=HOUR, amount=0)
        assert granted(store, rest)
        assert granted(store, after, action="block")
        assert granted(store, after, action="block", now=NOW + 10)
        assert not granted(store, rest, now=NOW + 10)
        assert not granted(store, rest, now=NOW + HOUR)
        assert granted(store, rest, now=NOW + HOUR + 10)

    def test_two_actions_exclude_each_other(self, store: LimitStore) -> None:
        ten = window("one/ten", None), window("one/twenty", 0, amount=0)
        twenty = window("one/twenty", None), window("one/ten", 0, amount=0)
        assert granted(store, *twenty, action="twenty")
        assert not granted(store, *ten, action="ten")
        assert granted(store, *twenty, action="twenty")
        assert granted(store, *ten, action="ten", now=NOW + DAY)

    def test_two_limits_of_one_counter_count_an_action_once(self, store: LimitStore) -> None:
        contact = Counter("contact", "ann")
        checks = Check("day", contact, 1, span_us=DAY), Check("week", contact, 2, span_us=7 * DAY)
        assert granted(store, *checks)
        assert not granted(store, *checks, now=NOW + DAY - 1)
        assert granted(store, *checks, now=NOW + DAY)
        assert store.reserve([asking(*checks)], NOW + 3 * DAY)[0].refused == (Refusal("nudge", "week"),)
        assert granted(store, *checks, now=NOW + 7 * DAY)

    def test_a_counter_may_be_a_window_and_a_total(self, store: LimitStore) -> None:
        counter = Counter("both", "ann")
        checks = Check("window", counter, 2, span_us=10), Check("total", counter, 100, 40)
        assert [granted(store, *checks, now=NOW + at) for at in (0, 20, 40)] == [True, True, False]
        assert store.read([counter])[0].total == 80

    def test_a_longer_window_sees_what_is_kept_from_its_first_check_on(self, store: LimitStore) -> None:
        short, long = window("w", 5, span=10), window("w", 3, span=1000)
        assert granted(store, short)
        assert not granted(store, window("w", 0, span=1000, amount=0), now=NOW + 500)
        assert all(granted(store, short, now=NOW + at) for at in (600, 700))
        assert not granted(store, long, now=NOW + 999)
        assert granted(store, long, now=NOW + 1000)

    def test_a_higher_limit_needs_more_times(self, store: LimitStore) -> None:
        note, high = window("w", None, span=100), window("w", 3, span=100)
        assert [granted(store, high, now=NOW + at) for at in (0, 1)] == [True, True]
        assert [granted(store, note, now=NOW + at) for at in (2, 3)] == [True, True]
        assert not granted(store, high, now=NOW + 4)
        assert not granted(store, high, now=NOW + 100)
        assert granted(store, high, now=NOW + 101)

    def test_a_check_that_adds_nothing_counts_as_far_as_its_limit(self, store: LimitStore) -> None:
        note, check = window("w", None), window("w", 2, amount=0)
        assert granted(store, note)
        assert granted(store, check)
        assert granted(store, note, now=NOW + 1)
        assert granted(store, check, now=NOW + 1)
        assert granted(store, note, now=NOW + 2)
        assert not granted(store, check, now=NOW + 2)

    def test_of_checks_of_one_counter_the_greatest_amount_is_added(self, store: LimitStore) -> None:
        counter = Counter("money")
        checks = Check("small", counter, 100, 1), Check("large", counter, 100, 5), Check("middle", counter, 100, 3)
        assert granted(store, *checks)
        assert store.read([counter]) == [Usage(5)]

    def test_a_budget_is_spent_to_the_unit(self, store: LimitStore) -> None:
        def cost(amount: int) -> Check:
            return total("money", 1_000_000, amount=amount, bucket="2026-11-22", ends=NOW + DAY)

        assert granted(store, cost(999_999))
        assert not granted(store, cost(2))
        assert granted(store, cost(1))
        assert not granted(store, cost(1))
        assert granted(store, cost(0))
        assert granted(store, total("money", 1_000_000, amount=1_000_000, bucket="2026-11-23", ends=NOW + 2 * DAY))

    def test_the_greatest_numbers_are_exact(self, store: LimitStore) -> None:
        assert granted(store, total("all", MOST, amount=MOST - 1))
        assert not granted(store, total("all", MOST, amount=2))
        assert granted(store, total("all", MOST, amount=1))
        assert not granted(store, total("all", MOST, amount=1))
        assert granted(store, total("all", None, amount=MOST))
        assert store.read([Counter("all")]) == [Usage(MOST)]

    def test_a_window_may_hold_thousands(self, store: LimitStore) -> None:
        check = window("many", 10_000, unit="")
        for _ in range(10):
            assert all(grant.action for grant in store.reserve([asking(check)] * 1000, NOW))
        assert not granted(store, check, now=NOW + DAY - 1)
        assert granted(store, check, now=NOW + DAY)

    def test_a_clock_that_is_behind_does_not_exceed_a_limit(self, store: LimitStore) -> None:
        assert granted(store, window("daily", 1), now=NOW + HOUR)
        assert not granted(store, window("daily", 1), now=NOW)
        assert granted(store, window("daily", 2), now=NOW)
        assert store.read([Counter("daily", "ann")]) == [Usage(times=(NOW, NOW + HOUR))]

    def test_a_request_that_comes_again_is_counted_once(self, store: LimitStore) -> None:
        claims = Claim("offer", (total("offers", 0),)), Claim("nudge", (window("daily", 1),))
        asked = Reservation(claims, "guardian/request-1/0")
        grant = Grant("nudge", (Refusal("offer", "offers"),))
        again = Grant("nudge", grant.refused, is_repeated=True)
        assert store.reserve([asked], NOW) == [grant]
        assert store.reserve([asked, asked], NOW + REPEATABLE_US - 1) == [again, again]
        # A window of a day is full, so that it is refused once its grant is not known any more.
        assert store.reserve([asked], NOW + REPEATABLE_US)[0].action is None
        assert len(store.read([Counter("daily", "ann")])[0].times) == 1

    def test_a_request_within_a_call_is_counted_once(self, store: LimitStore) -> None:
        asked = asking(total("offers", 9), request="r")
        assert [grant.is_repeated for grant in store.reserve([asked, asked], NOW)] == [False, True]
        assert store.read([Counter("offers")]) == [Usage(1)]

    def test_a_refused_request_is_asked_anew(self, store: LimitStore) -> None:
        assert store.reserve([asking(window("daily", 0), request="r")], NOW)[0].action is None
        assert store.reserve([asking(window("daily", 1), request="r")], NOW) == [Grant("nudge")]

    def test_a_request_whose_action_is_not_asked_for_again_is_counted_anew(self, store: LimitStore) -> None:
        assert store.reserve([asking(total("all", 9), request="r")], NOW) == [Grant("nudge")]
        assert store.reserve([asking(total("all", 9), action="offer", request="r")], NOW) == [Grant("offer")]
        assert store.read([Counter("all")]) == [Usage(2)]

    def test_what_is_released_may_be_granted_again(self, store: LimitStore) -> None:
        checks = window("daily", 1), total("campaign", 1), total("money", 100, amount=100)
        asked = asking(*checks, request="r1")
        assert store.reserve([asked], NOW)[0].action == "nudge"
        assert store.reserve([asking(*checks, request="r2")], NOW + 5)[0].action is None
        assert store.release([asked, asked, asking(*checks, request="unknown"), asking(*checks)], NOW + 5) == 1
        assert store.read([Counter("daily", "ann"), Counter("campaign"), Counter("money")]) == [Usage()] * 3
        assert store.reserve([asking(*checks, request="r2")], NOW + 5) == [Grant("nudge")]
        assert store.release([asked], NOW + 5) == 0

    def test_a_release_takes_back_one_of_several_at_one_time(self, store: LimitStore) -> None:
        asked = [asking(window("daily", 5), request=f"r{i}") for i in range(3)]
        store.reserve(asked, NOW)
        assert store.release(asked[:1], NOW) == 1
        assert store.read([Counter("daily", "ann")]) == [Usage(times=(NOW, NOW))]

    def test_a_mark_suppresses_until_it_ends(self, store: LimitStore) -> None:
        mark = Mark(Counter("said-no", "ann"), NOW - HOUR, DAY)
        suppressed = window("said-no", 0, amount=0)
        store.note([mark, mark], NOW)
        store.note([mark], NOW + 1)
        assert store.read([mark.counter]) == [Usage(times=(NOW - HOUR,))]
        assert not granted(store, suppressed, now=NOW - HOUR + DAY - 1)
        assert granted(store, suppressed, now=NOW - HOUR + DAY)

    def test_a_mark_is_noted_once(self, store: LimitStore) -> None:
        assert granted(store, window("said-no", 9))
        marks = [Mark(Counter("said-no", "ann"), NOW - after, DAY) for after in (5, 5, 7)]
        store.note(marks, NOW)
        store.note(marks, NOW)
        assert store.read([Counter("said-no", "ann")]) == [Usage(times=(NOW - 7, NOW - 5, NOW))]

    def test_the_newest_mark_counts_whatever_their_order(self, store: LimitStore) -> None:
        store.note([Mark(Counter("said-no", "ann"), NOW - after, DAY) for after in (5, 0, 9)], NOW)
        assert not granted(store, window("said-no", 0, amount=0), now=NOW + DAY - 1)

    def test_a_mark_that_has_ended_is_not_kept(self, store: LimitStore) -> None:
        store.note([Mark(Counter("said-no", "ann"), NOW - DAY, DAY)], NOW)
        assert store.stats().counters == 0

    def test_what_is_read_of_nothing_is_nothing(self, store: LimitStore) -> None:
        assert store.read([Counter("none"), Counter("none", "ann")]) == [Usage(), Usage()]
        assert store.read([]) == []
        assert store.stats().counters == 0

    def test_a_forgotten_unit_has_no_counters_and_sums_stay(self, store: LimitStore) -> None:
        for unit in ("ann", "bob"):
            assert granted(store, window("daily", 1, unit=unit), total("campaign", 9))
        store.note([Mark(Counter("said-no", "ann"), NOW, DAY)], NOW)
        assert store.forget("ann")
        assert not store.forget("ann")
        assert not store.forget("nobody")
        assert store.read([Counter("daily", "ann"), Counter("said-no", "ann")]) == [Usage(), Usage()]
        assert store.read([Counter("campaign")]) == [Usage(2)]
        assert granted(store, window("daily", 1, unit="ann"))
        assert not granted(store, window("daily", 1, unit="bob"))

    def test_nothing_is_forgotten_of_no_unit(self, store: LimitStore) -> None:
        assert granted(store, total("campaign", 1))
        assert not store.forget("")
        assert not granted(store, total("campaign", 1))

    def test_threads_do_not_exceed_a_limit(self, store: LimitStore) -> None:
        def ask(thread: int) -> int:
            checks = total("campaign", 100), window("everyone", 90, unit=""), total("money", 1000, amount=7)
            return sum(granted(store, *checks, now=NOW + thread) for _ in range(10))

        with ThreadPoolExecutor(16) as pool:
            assert sum(pool.map(ask, range(16))) == 90
        usages = store.read([Counter("campaign"), Counter("everyone"), Counter("money")])
        assert (usages[0].total, len(usages[1].times), usages[2].total) == (90, 90, 630)

    def test_two_processes_with_threads_hold_every_limit_to_the_unit(self, store: LimitStore, url: str) -> None:
        command = [sys.executable, "-m", "tests.server.limit_stores.asking", "race", url]
        started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        outputs = [process.communicate(timeout=120)[0] for process in started]
        assert [process.returncode for process in started] == [0, 0]
        answers = Tally("".join(outputs).split("\n"))
        assert [answers[action] for action in ("offer", "nudge", "none")] == [150, 50, 440]
        assert store.read([OFFERS.counter, NUDGES.counter]) == [Usage(150 * COST), Usage(50)]
        units = store.read([of_unit(unit).counter for unit in range(UNITS)])
        assert sum(len(usage.times) for usage in units) == 50
        assert max(len(usage.times) for usage in units) <= 5

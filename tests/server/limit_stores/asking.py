"""A process whose threads ask a store for actions: ``python -m tests.server.limit_stores.asking HOW URL``.

It prints the action of each answer, a line each.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from scoreline_registry.decisions.reservations import Check, Claim, Counter, Reservation
from scoreline_server.limit_stores.opening import open_limits
from scoreline_server.limit_stores.store import LimitStore

COST = 1_500_000
UNITS = 16
DAY_US = 86_400_000_000

OFFERS = Check("money", Counter("money", "", "2026-11-22"), 150 * COST + COST // 2, COST, ends_us=1 << 52)
NUDGES = Check("campaign", Counter("campaign"), 50)

CAP = 400
"""How many actions the calls that are interrupted may have in all."""
THREADS = 4


def of_unit(unit: int) -> Check:
    """At most five a day of one unit."""
    return Check("daily", Counter("daily", f"u{unit}"), 5, span_us=DAY_US)


def now_us() -> int:
    """The clock."""
    return time.time_ns() // 1000


def race(store: LimitStore, unit: int) -> list[str]:
    """The actions of a unit that asks 20 times: offers as long as there is money, then nudges."""
    asked = Reservation((Claim("offer", (OFFERS,)), Claim("nudge", (of_unit(unit), NUDGES))))
    return [store.reserve([asked], now_us())[0].action or "none" for _ in range(20)]


def capped(request: str) -> Reservation:
    """One of the actions that are capped: by a total, by money, and by a window of all units."""
    checks = (
        Check("cap", Counter("cap"), CAP),
        Check("money", Counter("spent"), CAP * COST, COST),
        Check("window", Counter("window"), CAP, span_us=DAY_US),
    )
    return Reservation((Claim("act", checks),), request)


def ask_until_refused(store: LimitStore, thread: int) -> None:
    """Asks until nothing is left; prints the request of each grant once it is answered."""
    for number in count():
        request = f"{os.getpid()}-{thread}-{number}"
        (grant,) = store.reserve([capped(request)], now_us())
        if grant.action is None:
            return
        os.write(1, f"{request}\n".encode())


def main(how: str, url: str) -> None:
    """Asks as ``how`` says."""
    store = open_limits(url, None, seconds=60)
    assert store is not None
    if how == "race":
        with ThreadPoolExecutor(UNITS) as pool:
            for actions in pool.map(lambda unit: race(store, unit), range(UNITS)):
                print("\n".join(actions))
    else:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda thread: ask_until_refused(store, thread), range(THREADS)))
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The memory of tables: what was not used for longest goes first, and nothing is kept alive."""

import gc

from scoreline_server.scoring.reasons.recent import Recent


class Tables:
    """Tables that say whether they were dropped."""

    def __init__(self) -> None:
        self.dropped = 0

    def drop(self) -> None:
        self.dropped += 1


def test_the_oldest_are_dropped_as_long_as_all_are_too_large() -> None:
    recent, (first, second, third) = Recent(100), (Tables(), Tables(), Tables())
    recent.used(first, 40)
    recent.used(second, 40)
    recent.used(first, 40)
    recent.used(third, 40)
    assert (first.dropped, second.dropped, third.dropped) == (0, 1, 0)
    assert recent.nbytes == 80


def test_the_one_in_use_stays_however_large_it_is() -> None:
    recent, (small, large) = Recent(100), (Tables(), Tables())
    recent.used(small, 10)
    recent.used(large, 1000)
    assert (small.dropped, large.dropped) == (1, 0)


def test_a_use_that_takes_more_memory_counts_anew() -> None:
    recent, (first, second) = Recent(100), (Tables(), Tables())
    recent.used(first, 10)
    recent.used(second, 10)
    recent.used(second, 95)
    assert (first.dropped, second.dropped) == (1, 0)


def test_what_is_gone_takes_no_room() -> None:
    recent, kept = Recent(100), Tables()
    recent.used(Tables(), 90)
    gc.collect()
    assert recent.nbytes == 0
    recent.used(kept, 40)
    assert (recent.nbytes, kept.dropped) == (40, 0)

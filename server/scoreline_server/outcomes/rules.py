"""What a server asks of outcomes beyond what ``scoreline.Outcome`` does."""

from scoreline.errors import InvalidRequestError

MAX_OUTCOMES = 10_000
"""The most outcomes of one call."""
MAX_AHEAD_NANOSECONDS = 86_400 * 10**9
"""How far in the future an outcome may be observed: clocks differ, and so do the timezones that are taken for UTC."""


def check_observed(observed_at: int, now: int) -> None:
    """Raises InvalidRequestError for a time of observation, in ns since 1970, that is more than a day after ``now``."""
    ahead = observed_at - now
    if ahead > MAX_AHEAD_NANOSECONDS:
        days = ahead / MAX_AHEAD_NANOSECONDS
        raise InvalidRequestError(
            f"observed_at: is {days:,.1f} days in the future: report outcomes once they are known",
            reason="INVALID",
            metadata={"field": "observed_at"},
        )

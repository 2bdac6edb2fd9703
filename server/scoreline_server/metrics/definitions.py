"""The metric families of workers: name, type, help, labels and buckets.

To add a metric, define a constant here, record it in ``recorder``, describe it in docs/reference/metrics.md and test it
in tests/server/metrics.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Prometheus' metric types. The value of a gauge is dropped when its worker exits; the others are kept."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """A metric family. ``name`` lacks a counter's ``_total``; ``bounds`` are a histogram's upper bounds, ascending."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """How many numbers one child has; a histogram: a count per bound, one above all bounds, and the sum."""
        return len(self.bounds) + 2 if self.kind is Kind.HISTOGRAM else 1


def _counter(name: str, text: str, *labels: str) -> MetricFamily:
    return MetricFamily(f"scoreline_{name}", Kind.COUNTER, text, labels)


def _gauge(name: str, text: str, *labels: str) -> MetricFamily:
    return MetricFamily(f"scoreline_{name}", Kind.GAUGE, text, labels)


def _histogram(name: str, text: str, bounds: tuple[float, ...], *labels: str) -> MetricFamily:
    return MetricFamily(f"scoreline_{name}", Kind.HISTOGRAM, text, labels, bounds)


_CALL_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_LOAD_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0)
_AGES = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0)

CALLS = _counter("calls", "Calls that were answered.", "method", "code")
ERRORS = _counter("errors", "Calls that failed.", "method", "reason")
CALL_SECONDS = _histogram("call_seconds", "From a call's arrival to its answer.", _CALL_SECONDS, "method", "route")
BATCH_CALLS = _histogram("batch_calls", "Calls that were answered together.", _SIZES)
BATCH_ROWS = _histogram("batch_rows", "Rows of one route that were scored together.", _SIZES, "route")
ROWS = _counter("rows", "Rows that were scored.", "route", "arm", "model", "version")
ROW_ERRORS = _counter("row_errors", "Rows that could not be scored.", "route", "reason")
FALLBACK_ROWS = _counter("fallback_rows", "Rows left to the route's fallback.", "route")
ARM_SECONDS = _histogram("arm_seconds", "Scoring one batch's rows by one arm.", _CALL_SECONDS, "route", "arm")
ARM_FAILURES = _counter("arm_failures", "Batches that an arm's model failed on.", "route", "arm")
ANSWER_CACHE_HITS = _counter("answer_cache_hits", "Rows that a cache of answers had.", "route", "model", "version")
ANSWER_CACHE_MISSES = _counter(
    "answer_cache_misses", "Rows that a cache of answers lacked.", "route", "model", "version"
)
LOADS = _counter("loads", "Versions that were loaded.", "model")
LOAD_FAILURES = _counter("load_failures", "Versions that failed to load.", "model")
LOAD_SECONDS = _histogram("load_seconds", "Loading and self-testing one version.", _LOAD_SECONDS)
JOURNAL_ROWS = _counter("journal_rows", "Rows that were written to the journal.")
JOURNAL_BYTES = _counter("journal_bytes", "Bytes that were written to the journal.")
JOURNAL_DROPPED = _counter("journal_dropped", "Rows that the journal could not take.")
JOURNAL_FAILURES = _counter("journal_failures", "Failed writes of the journal.")
JOURNAL_DEGRADED = _gauge("journal_troubled", "Workers whose journal cannot be written.")
OUTCOMES = _counter("outcomes", "Outcomes that were kept.", "route")
OUTCOMES_REFUSED = _counter("outcomes_refused", "Outcomes that were refused for what they say.", "route")
OUTCOMES_UNKNOWN = _counter("outcomes_unknown", "Outcomes that were kept without a row in the journal.", "route")
OUTCOME_FAILURES = _counter("outcome_failures", "Calls whose outcomes could not be written.")
PROFILE_EVENTS = _counter("profile_events", "Events by their result.", "profile", "result")
PROFILE_EVENT_AGE = _histogram("profile_event_age_seconds", "From an event to its recording.", _AGES, "profile")
PROFILE_FOLDED_EARLY = _counter("profile_folded_early", "Events folded while earlier ones could come.", "profile")
PROFILE_FAILURES = _counter("profile_failures", "Calls whose events could not be kept.", "profile")
SHADOW_ROWS = _counter("shadow_rows", "Rows that a shadow scored.", "route", "shadow", "model", "version")
SHADOW_DROPPED = _counter("shadow_dropped", "Sampled rows that a shadow had no time for.", "route", "shadow")
SHADOW_ERRORS = _counter("shadow_errors", "Sampled rows that a shadow could not score.", "route", "shadow", "reason")
SHADOW_SECONDS = _histogram("shadow_seconds", "Scoring one batch by one shadow.", _CALL_SECONDS, "route", "shadow")
RAMP_LOOKS = _counter("ramp_looks", "Looks at running ramps.", "route")
RAMP_MOVES = _counter("ramp_moves", "Moves of ramps that a controller committed.", "route", "arm", "move")
RAMP_SHARE = _gauge("ramp_share", "Share of the units that a running ramp's step gives its arm.", "route", "arm")
GUARD_VALUE = _gauge("guard_value", "The figure of a ramp's guard at the last look.", "route", "guard")
GUARD_LIMIT = _gauge("guard_limit", "The limit of a ramp's guard.", "route", "guard")
REALLOCATIONS = _counter("reallocations", "New weights that a controller committed.", "route")
POLICY_REVISIONS = _counter("policy_revisions", "Cuts and effects of policies that a controller committed.", "policy")
CONTROLLER_FAILURES = _counter("controller_failures", "Looks of controllers that failed.")
CONSUMER_LAG = _gauge("consumer_lag", "Messages of a partition that are still to be read.", "topic", "partition")
CONSUMER_DEAD_LETTERS = _counter("consumer_dead_letters", "Messages that are no events of the profile.", "topic")
PROFILE_READS = _counter("profile_reads", "Rows that were scored by a profile.", "profile", "state")
PROFILE_READ_SECONDS = _histogram(
    "profile_read_seconds", "Reading the states of one batch's entities.", _CALL_SECONDS, "profile"
)
DECISIONS = _counter("decisions", "Decisions by action; of the control share, what was withheld.",
                     "policy", "action", "control")  # fmt: skip
DECISIONS_SUPPRESSED = _counter("decisions_suppressed", "Actions that a limit forbade.", "policy", "action", "limit")
DECISION_FLAGS = _counter("decision_flags", "Decisions about cases with a flag.", "policy", "flag")
DECISION_SECONDS = _histogram("decision_seconds", "Deciding on one call's scored rows.", _CALL_SECONDS, "policy")
LIMIT_TAKEN = _counter("limit_taken", "Actions that a limit counted.", "policy", "limit")
LIMIT_USED = _gauge("limit_used", "What is used of a total, or of a budget's period.", "policy", "limit")
LIMIT_REMAINING = _gauge("limit_remaining", "What is left of a total or budget.", "policy", "limit")
LIMIT_SECONDS = _histogram("limit_seconds", "Taking the limits of one call's actions.", _CALL_SECONDS)
LIMIT_FAILURES = _counter("limit_failures", "Calls whose limits could not be taken.", "policy")
CALLS_IN_FLIGHT = _gauge("calls_in_flight", "Calls that are being answered.")
CALLS_QUEUED = _gauge("calls_queued", "Calls that wait for a thread, or on the fast path for longer than one batch.")

METRIC_FAMILIES: Mapping[str, MetricFamily] = {
    family.name: family for family in tuple(globals().values()) if isinstance(family, MetricFamily)
}
"""Every metric family of this module by its name."""

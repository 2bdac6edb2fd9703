"""Asks for a comparison, as a flow."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scoreline.calls.call_options import CallOptions
from scoreline.calls.retrying import RetryingCalls
from scoreline.calls.transport import Flow, Method
from scoreline.encoding.timestamps import timestamp
from scoreline.fields import Time, nanoseconds
from scoreline.v1 import analysis_pb2 as pb

TIMEOUT_SECONDS = 60.0
"""Of a comparison, where the caller gives none: it reads the whole journal of a period."""


@dataclass(frozen=True, slots=True)
class ComparisonOptions:
    """What ``get_comparison`` takes beside the route; None and empty ones leave it to the route's experiment."""

    since: Time | None = None
    until: Time | None = None
    baseline: str = ""
    metrics: Sequence[str] = ()
    alpha: float | None = None
    maturity_days: float | None = None
    covariate: str = ""
    segments: Sequence[str] = ()
    cut_offs: Sequence[float] = ()

    def request(self, route: str) -> pb.GetComparisonRequest:
        """The message. Raises InvalidRequestError for a time without a timezone."""
        request = pb.GetComparisonRequest(
            route=route,
            baseline=self.baseline,
            metrics=self.metrics,
            alpha=self.alpha,
            maturity_days=self.maturity_days,
            covariate=self.covariate,
            segments=self.segments,
            cut_offs=self.cut_offs,
        )
        for field, moment in (("since", self.since), ("until", self.until)):
            if moment is not None:
                getattr(request, field).CopyFrom(timestamp(nanoseconds(field, moment)))
        return request


def comparison_flow(
    retrying: RetryingCalls, route: str, options: ComparisonOptions, *, timeout_seconds: float | None
) -> Flow[dict[str, Any]]:
    """The comparison of a route as the JSON document of docs/reference/comparison.md."""
    given = CallOptions(route=route, timeout_seconds=timeout_seconds or TIMEOUT_SECONDS)
    deadline = retrying.deadline(given.timeout_seconds)
    answer = yield from retrying.call(Method.COMPARISON, options.request(given.route), deadline)
    document: dict[str, Any] = json.loads(answer.comparison_json)
    return document

"""The section ``cache`` of a route: for how long servers keep the answers of its slow arms."""

from typing import Annotated

from pydantic import Field

from scoreline_registry.documents.base import FrozenModel
from scoreline_registry.routing.durations import Duration, Seconds
from scoreline_registry.routing.strict_spec import Strict

FROM_MICROSECONDS = 100

Microseconds = Annotated[int, Field(ge=0, le=1_000_000_000)]


class AnswerCache(FrozenModel):
    """Servers keep each answer for ``keep_seconds``.

    Those are the answers of arms of which one row takes ``from_microseconds`` or more, as measured when the server
    loads the version. A look into the cache costs about as much as a row of a small model.
    """

    keep_seconds: Seconds
    from_microseconds: Microseconds = FROM_MICROSECONDS


class AnswerCacheSpec(Strict):
    """How long answers are kept, and how slow an arm must be for it."""

    keep: Duration
    from_microseconds: Microseconds = FROM_MICROSECONDS

    @property
    def document(self) -> AnswerCache:
        """What the registry stores."""
        return AnswerCache(keep_seconds=self.keep, from_microseconds=self.from_microseconds)

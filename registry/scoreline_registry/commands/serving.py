"""Asks a running server what it serves, through the client, which is imported only when a server is asked."""

from collections.abc import Mapping
from dataclasses import dataclass

from scoreline_registry.commands.options import Failure

_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Serving:
    """One version in a server: "ready" or "failed", and why it was refused."""

    state: str
    error: str


def served_versions(address: str) -> Mapping[tuple[str, int], Serving]:
    """Every version that the server at ``address`` loaded or refused, by model and number. Raises Failure."""
    import scoreline

    try:
        with scoreline.Client(address, retry=scoreline.RetryPolicy(max_attempts=1)) as client:
            status = client.status(timeout_seconds=_TIMEOUT_SECONDS)
    except scoreline.ScorelineError as error:
        raise Failure(f"the server at {address} did not answer: {error}") from error
    return {
        (model.model, model.version): Serving("ready" if model.ready else "failed", model.problem)
        for model in status.models
    }

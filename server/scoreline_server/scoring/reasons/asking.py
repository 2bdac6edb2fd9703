"""Whether the reasons that a caller asks for can be given."""

from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.scoring.compiled_route import CompiledRoute

MOST_REASONS = 20


def check_reasons(count: int, route: CompiledRoute) -> None:
    """Raises ScoringError unless every arm of the route can give so many reasons."""
    if not 0 <= count <= MOST_REASONS:
        raise ScoringError(
            ErrorReason.INVALID, f"reasons is a number from 0 to {MOST_REASONS}, not {count}", field="reasons"
        )
    for arm in route.arms if count else ():
        arm.model.reasons.require()

"""Checks that bands are within the range of their score."""

from scoreline_registry.documents.contract import ScoreContract


def check_bands(score: ScoreContract) -> None:
    """Raises ValueError for a band of a probability that starts below 0 or above 1."""
    for band in score.bands:
        if score.kind == "probability" and not 0 <= band.from_score <= 1:
            raise ValueError(
                f"band {band.name!r} starts at {band.from_score:g}, and a score that is a probability is 0 to 1"
            )

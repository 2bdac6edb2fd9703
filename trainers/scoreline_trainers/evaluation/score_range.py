"""Checks that a score can reach the bands that are named for it."""

from scoreline_registry.documents.contract import ScoreContract


def check_bands(score: ScoreContract) -> None:
    """Raises ValueError for a band that no probability can be in."""
    for band in score.bands:
        if score.kind == "probability" and not 0 <= band.from_score <= 1:
            raise ValueError(
                f"band {band.name!r} starts at {band.from_score:g}, and a score that is a probability is 0 to 1"
            )

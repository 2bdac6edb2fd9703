"""The pictures of a report, each drawn from a part of its document."""

from scoreline_registry.pictures.drawing import Canvas

WIDTH, HEIGHT = 4.4, 3.1
"""Inches: text of such a picture can be read on a phone, and two stand beside each other on paper."""


def canvas(*, height: float = HEIGHT, width: float = WIDTH) -> Canvas:
    """A figure with one pair of axes."""
    return Canvas(width=width, height=height)

"""Compares the arms and shadows of a route: effects, shares, scores, and decisions that would change."""

"""Estimated differences with their variances, and their intervals for one look."""

"""Coalesces concurrent calls of one process into shared requests."""

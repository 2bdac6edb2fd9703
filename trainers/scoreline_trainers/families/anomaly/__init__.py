"""Families that learn without labels, and the detectors they use."""

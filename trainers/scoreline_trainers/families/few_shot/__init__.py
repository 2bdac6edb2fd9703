"""Families that adapt to a segment from a few rows."""

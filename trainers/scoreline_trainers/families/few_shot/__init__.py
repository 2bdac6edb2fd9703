"""Families with a head per segment, which new segments get from a few rows."""

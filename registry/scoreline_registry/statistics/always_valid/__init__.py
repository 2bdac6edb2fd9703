"""Intervals and tests that hold at every look, so that an experiment may be stopped at any time."""

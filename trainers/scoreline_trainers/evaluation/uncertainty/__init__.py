"""Intervals: those of the statistics of scores, of means over units, and the bootstrap."""

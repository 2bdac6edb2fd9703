"""Figures by group: segments, periods of time, folds and fairness."""

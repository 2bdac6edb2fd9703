"""Figures of scores: ranking, calibration, distances, and the agreement of two scores of the same rows."""

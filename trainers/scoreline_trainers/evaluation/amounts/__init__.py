"""The evaluation of a score against amounts: errors, explained variance, rank correlation and calibration."""

"""The evaluation of a score against labels of 0 and 1: metrics, curves, calibration, deciles, cuts and costs."""

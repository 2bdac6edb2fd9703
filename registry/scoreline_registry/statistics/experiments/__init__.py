"""Planning and running an experiment: sample size, sample ratio, several metrics at once, shares by outcomes."""

"""Rows of journals and outcomes as columns: predictions, exposures, labels and pairs of scores."""

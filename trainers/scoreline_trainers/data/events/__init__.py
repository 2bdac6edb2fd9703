"""Event logs as rows of a training table: cuts, windows of days before them, steps, and labels after them."""

"""Validation: fits of the folds of a table, and scores of the rows that they have not learned from."""

"""Searches for the options of a model, and for its family."""

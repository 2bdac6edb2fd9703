"""Shapley values of models, from plain arrays: NumPy alone, for trainers and servers."""

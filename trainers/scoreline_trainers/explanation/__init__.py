"""Explanations of a version: Shapley values of rows, and what they say of the model as a whole."""

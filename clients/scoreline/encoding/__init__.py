"""Encodes entities and columns as Score requests."""

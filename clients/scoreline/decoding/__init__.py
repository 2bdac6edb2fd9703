"""Decodes Score responses to results."""

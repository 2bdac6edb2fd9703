"""Outcomes: what became of scored entities, reported later and kept beside the journal."""

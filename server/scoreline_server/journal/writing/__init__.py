"""Writes journals: a series of files per worker, filled by a thread, kept as long as settings say."""

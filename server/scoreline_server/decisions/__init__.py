"""Deciding what to do about scored rows: facts, proposals, limits and messages of one call."""

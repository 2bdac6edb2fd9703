"""Profiles: what is kept of each entity's past events, and the features that are read from it. Pure."""

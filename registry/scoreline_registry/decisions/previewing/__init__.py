"""Previews: what a policy that is not stored yet would decide and say for given rows. Pure."""

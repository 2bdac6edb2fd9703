"""Loads what the registry commits: watching, adoption per route, golden self-test, explicit loads."""

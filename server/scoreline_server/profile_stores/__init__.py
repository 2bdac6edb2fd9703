"""Stores of profiles: where the state of each entity lives."""

"""Promotion of versions, snapshots of a route, gate rules, and comparison of versions."""

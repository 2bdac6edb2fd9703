"""Versions between registries and beside each other: promotion, snapshots of a route, gate rules, comparison."""

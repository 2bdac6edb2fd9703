"""Maintenance of a registry: verification of every file and garbage collection."""

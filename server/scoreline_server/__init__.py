"""Scoreline's server: loads what the registry commits and scores it over gRPC."""

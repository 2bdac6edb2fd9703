"""Scoreline's registry: models, versions, aliases and routes, whose every change is an immutable revision."""

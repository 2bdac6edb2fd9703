"""The model registry: models, versions, aliases and routes; every change is an immutable revision."""

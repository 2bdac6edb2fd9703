"""Registry documents and the contracts in them: models, versions, manifests, inputs."""

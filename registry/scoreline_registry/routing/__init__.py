"""Routes: their documents, validation, change plans, conditions, bucketing and assignment. Pure."""

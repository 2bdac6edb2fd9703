"""The report of a version: one document, as JSON, as a self-contained HTML page and as a model card."""

"""Policies as people write them: read strictly, made documents, compared, and written back. Pure."""

"""Policies as people write them: read strictly, made documents, and written back. Pure."""

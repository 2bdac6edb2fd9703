"""Scoreline in a Bento: building one from a route, and the service inside. Needs the extra ``bento``."""

"""Stores of answers for the cache of answers: memory of this process, and Redis."""

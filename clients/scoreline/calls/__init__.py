"""Calls as sans-IO generators: chunks, retries, deadlines; run by any transport."""

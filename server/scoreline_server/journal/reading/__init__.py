"""Reads journals: rows as records, arrays and tables, calls by their ids, and files while they grow."""

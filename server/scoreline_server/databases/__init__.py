"""Databases that stores keep their state in: SQLite files, Redis servers, and how settings name them."""

"""Replays journaled rows: scores them again and reports what differs."""

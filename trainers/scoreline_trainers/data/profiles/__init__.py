"""Profiles as a source of a training table: events of files, and the features that a profile has at each row."""

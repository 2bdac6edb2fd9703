"""Forgets entities: takes their rows and outcomes out of the files of the journal's folder."""

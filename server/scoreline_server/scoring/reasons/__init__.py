"""Reasons of scores: the inputs that moved a score most, from the version that answered."""

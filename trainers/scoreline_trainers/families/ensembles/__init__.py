"""Families whose members are any other families."""

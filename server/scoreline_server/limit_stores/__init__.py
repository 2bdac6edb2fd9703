"""Stores of limits: where the actions of each unit, and what is left of totals and budgets, are counted."""

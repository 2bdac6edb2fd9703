"""Reads what tables write as text: CSV files, numbers with signs and separators, dates."""

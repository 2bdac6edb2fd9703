"""The report of a comparison: frozen values, and these as notes, text and a JSON document."""

"""Neural families over features, sequences and neighbors."""

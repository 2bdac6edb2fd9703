"""Training tables that are made of several files: the recipe's key ``data`` as a mapping."""

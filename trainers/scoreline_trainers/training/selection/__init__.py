"""Selection of features by their importance on rows that models have not learned from."""

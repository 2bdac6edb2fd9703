"""Tables as datasets: columns, sequences, neighbors, splits, encodings."""

"""Bands of a score: cut-offs given or chosen on validation rows, and the rows in each band."""

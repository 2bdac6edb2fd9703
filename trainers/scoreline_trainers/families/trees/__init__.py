"""Tree families and their export as one TreeEnsemble operator."""

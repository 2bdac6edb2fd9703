"""Models of several classes, or of several horizons, made of binary models of any family."""

"""The files of a training table: reading, cleaning, times and joins by key."""

"""Models that were made elsewhere: checked in a child process, wrapped to the standard signature or kept as is."""

"""Publishing of external models: checked in a child process, wrapped to the standard signature or kept as they are."""

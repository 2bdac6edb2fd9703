"""The log of revisions: states, changes, commits, snapshots and rollback."""

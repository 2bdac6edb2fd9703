"""The checks of a policy: by itself, against its route, and of its messages; each error is one line. Pure."""

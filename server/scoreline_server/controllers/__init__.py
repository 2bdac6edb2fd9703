"""Controllers: loops that read the journal and commit route changes, such as guarded ramps."""

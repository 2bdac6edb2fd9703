"""What a run of training reports: columns, figures, warnings, and the facts stored as ``report.json``."""

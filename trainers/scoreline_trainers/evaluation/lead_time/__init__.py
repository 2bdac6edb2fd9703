"""Early warning: how long before the event the score of a history passes a cut."""

"""The cheapest changes of a row's inputs that bring its score to a target."""

"""The evaluation of the probabilities of several classes: each against the rest, averages and confusion."""

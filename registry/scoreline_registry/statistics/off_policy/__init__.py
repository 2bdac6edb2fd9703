"""The value of a policy that never ran, from the journaled decisions of one that did and their propensities."""

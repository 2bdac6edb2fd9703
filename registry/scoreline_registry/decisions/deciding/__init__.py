"""What a policy proposes for a case: strategy, rule and ranked actions with their propensities. Pure."""

"""What policies learn from journaled cases: thresholds, effects of actions, and how often to try each. Pure."""

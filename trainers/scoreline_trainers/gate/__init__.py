"""The publication gate: parity of a graph with its native model, golden rows."""

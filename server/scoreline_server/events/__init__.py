"""Events of entities on their way into profiles: checked, kept, folded, imported, replayed and forgotten."""

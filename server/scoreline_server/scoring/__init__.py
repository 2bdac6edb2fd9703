"""The scoring engine: decodes requests, assigns arms, runs models and encodes responses. Knows no transport."""

"""Retrains a published version: whether to, the challenger, and its comparison with the champion."""

"""Trains a published version anew: whether to, the challenger, and its comparison with the champion."""

"""Heads per segment over one body, and the rules by which a new segment gets one."""

"""The messages of a policy: what templates may contain, checked before they are stored, and their texts. Pure."""

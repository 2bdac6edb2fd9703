"""The format of journal files: blocks, their columns, and what a file says of itself."""

"""Which actions work, from journaled decisions and their outcomes; what other policies would have done and got."""

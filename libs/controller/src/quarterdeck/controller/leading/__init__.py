"""One of several processes acts at a time."""

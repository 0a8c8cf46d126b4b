"""The vector engine: an interface, and Qdrant Edge behind it in child processes."""

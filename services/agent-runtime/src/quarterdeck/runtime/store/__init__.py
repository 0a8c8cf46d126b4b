"""What the runtime keeps: plain functions over a connection, one module a concern."""

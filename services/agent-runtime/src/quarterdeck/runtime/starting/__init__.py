"""How runs begin: what is pinned and checked, and the first rows and events."""

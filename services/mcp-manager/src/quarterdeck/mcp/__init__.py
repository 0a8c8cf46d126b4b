"""Tool servers and the tool-call path."""

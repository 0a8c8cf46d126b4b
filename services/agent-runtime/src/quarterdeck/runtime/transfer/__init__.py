"""Runs as files: export, and import as archived copies. The format is described in docs/run-files.md."""

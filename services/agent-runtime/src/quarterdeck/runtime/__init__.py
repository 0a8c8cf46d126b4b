"""The run journal and the engine that advances runs."""

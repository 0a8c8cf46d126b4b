"""What several test modules of the runtime share."""

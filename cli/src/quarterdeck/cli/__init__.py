"""qd: the command line and the embedded platform."""

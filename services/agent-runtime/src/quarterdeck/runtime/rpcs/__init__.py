"""RuntimeService by subject: each module is one group of its RPCs."""

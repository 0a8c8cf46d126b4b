"""What people may do where our own roles say so: without a cluster."""

"""Who is at the door and what they may do, where a Kubernetes API server says so."""

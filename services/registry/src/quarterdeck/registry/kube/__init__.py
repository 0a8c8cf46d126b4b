"""Objects that a Kubernetes API server keeps: followed into our tables, written on behalf of people."""

"""Controllers of Kubernetes objects, and the process that runs them."""

"""The Kubernetes API: raw JSON over asynchronous HTTP."""

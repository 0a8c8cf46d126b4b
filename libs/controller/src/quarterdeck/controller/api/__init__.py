"""The Kubernetes API: raw JSON over asynchronous HTTP, with the official client's credentials."""

"""An MCPServer with a container as Kubernetes objects: pure functions, no API server is asked."""

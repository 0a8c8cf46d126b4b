"""The only door: REST, gRPC, SSE, AG-UI and webhooks."""

"""The controller of MCPServers with a container: keeps their objects in a cluster, and says how they are."""

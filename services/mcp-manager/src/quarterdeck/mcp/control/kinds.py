"""The resources that the controller reads and makes."""

from __future__ import annotations

from quarterdeck.controller.api.resource import Resource
from quarterdeck.resources.constants import GROUP, VERSION

MCP_SERVERS = Resource(GROUP, VERSION, "mcpservers", "MCPServer")
TENANTS = Resource(GROUP, VERSION, "tenants", "Tenant", namespaced=False)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
PODS = Resource("", "v1", "pods", "Pod")
SERVICES = Resource("", "v1", "services", "Service")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")

OWNED = (SERVICE_ACCOUNTS, NETWORK_POLICIES, SERVICES, DEPLOYMENTS)
"""What is made for a server."""

BY_KIND = {resource.kind: resource for resource in OWNED}

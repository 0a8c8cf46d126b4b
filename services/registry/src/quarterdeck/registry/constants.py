"""Names and numbers of the registry that its outside sees."""

# Kinds that belong to no tenant. Their rows carry an empty tenant id.
CLUSTER_KINDS = frozenset({"Tenant", "PlatformPolicy"})
CLUSTER_TENANT_ID = ""

# Kinds that a run pins: it goes on with the revision it began with.
PINNED_KINDS = frozenset({"Workflow", "Agent"})

DEFAULT_PAGE, LARGEST_PAGE = 100, 500

# Largest manifest, in bytes of JSON: what a Kubernetes API server stores, less some room for the status.
MAX_MANIFEST_BYTES = 1024 * 1024

# Who owns the fields that the registry writes in a cluster, as server-side apply calls it.
MANAGER = "quarterdeck-registry"
# The manager of what it writes for people who came through the API.
API_MANAGER = "quarterdeck-api"
# Who they were.
WRITTEN_BY = "quarterdeck.dev/written-by"

# Whose a namespace is, on the namespace and on what the controller keeps in it.
TENANT_LABEL = "quarterdeck.dev/tenant"
# On a namespace that the controller made: for whom.
MADE_FOR = "quarterdeck.dev/made-for"
# On an object whose controller is to leave it alone: "true".
PAUSED = "quarterdeck.dev/paused"
# What was wanted of an object that the controller keeps, in a word.
APPLIED = "quarterdeck.dev/applied"
# Who owns the fields that the tenants' controller writes.
TENANTS_MANAGER = "quarterdeck-tenants"
# The ClusterRole that a Tenant's first administrators are given in its namespace.
ADMIN_ROLE = "quarterdeck-admin"
# How many roles of its own a tenant may bind in a cluster; k8s/base/roles.yaml names each.
OWN_ROLES = 16
# On the Role that an AccessRole has: which one that is.
ACCESS_ROLE = "quarterdeck.dev/access-role"
# The Role, and its binding, by which Secrets that tool servers name may be read, and the account that may.
TOOL_SECRETS = "quarterdeck-tool-secrets"
TOOLS_ACCOUNT = "mcp-controller"

# Condition types.
ACCEPTED, RESOLVED_REFS, READY = "Accepted", "ResolvedRefs", "Ready"
# Of a Tenant in a cluster.
NAMESPACE_READY = "NamespaceReady"
# Who may report what through UpdateStatus; kinds that are not listed belong to the runtime.
STATUS_OWNERS = {"MCPServer": "mcp-manager", "MemoryCollection": "memory"}
OTHER_STATUS_OWNER = "agent-runtime"

# The status field that lists expressions without a type.
UNTYPED = "untyped"

# Reasons of conditions. Programs compare them, so they never change.
REASON_ACCEPTED = "Accepted"
REASON_INVALID_SPEC = "InvalidSpec"
REASON_ROUTE_TAKEN = "RouteTaken"
REASON_NO_TENANT = "NoTenant"
REASON_NAMESPACE_TAKEN = "NamespaceTaken"
REASON_RESOLVED = "Resolved"
REASON_NOT_FOUND = "ReferenceNotFound"
REASON_TOOLS_NOT_LISTED = "ToolsNotListed"
REASON_DOES_NOT_FIT = "ReferenceDoesNotFit"
REASON_READY = "Ready"
REASON_NOT_ACCEPTED = "NotAccepted"
REASON_UNRESOLVED = "ReferencesUnresolved"
REASON_PENDING = "ReferencesPending"
REASON_NOT_ENFORCED = "NotEnforced"
REASON_SUSPENDED = "Suspended"
REASON_NAMESPACE_READY = "NamespaceReady"
REASON_NAMESPACE_PENDING = "NamespacePending"
REASON_NAMESPACE_FORBIDDEN = "NamespaceForbidden"
REASON_NAMESPACE_NOT_LABELLED = "NamespaceNotLabelled"
REASON_NAMESPACE_TERMINATING = "NamespaceTerminating"
REASON_NOT_PERMITTED = "NotPermitted"
REASON_REFUSED = "Refused"
REASON_CONTROLLED_BY_OTHER = "ControlledByOther"
REASON_TOO_MANY_ROLES = "TooManyRoles"
REASON_BEING_DELETED = "BeingDeleted"

# Reason of the error that a watch gets when what it asks for is no longer kept: list again.
REASON_TOO_OLD = "ResourceVersionTooOld"

# A condition's message names at most so many problems, and is at most so long.
MAX_NAMED_PROBLEMS = 20
MAX_CONDITION_MESSAGE = 4096

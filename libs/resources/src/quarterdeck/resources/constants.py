"""Constants of the resource model that the outside world sees."""

GROUP = "quarterdeck.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "quarterdeck"

MAX_EXPRESSION_BYTES = 4096
"""Longest CEL expression, in UTF-8 bytes."""

MAX_EXPRESSION_INPUT_ELEMENTS = 200_000
"""Most JSON values (scalars, lists, objects) handed to one evaluation."""

MAX_EXPRESSION_INPUT_CHARS = 4_194_304
"""Most characters, over all strings, handed to one evaluation."""

MAX_VALUE_DEPTH = 64
"""Deepest nesting of lists and objects in an expression's input or a template."""

MAX_OBJECT_DEPTH = 100
"""Deepest nesting of lists and objects in an object."""

MAX_EXPRESSION_WORK = 3_000_000
"""Most units of estimated work of one evaluation; a unit takes some tens of nanoseconds."""

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
"""Largest YAML text that is read, in bytes."""

MAX_MANIFEST_VALUES = 200_000
"""Most values (scalars, lists, mappings) in one YAML text."""

MAX_MANIFEST_DOCUMENTS = 5_000
"""Most documents in one YAML text."""

RESERVED_ROOTS = ("health", "livez", "readyz", "metrics", "docs", "openapi.json", "console")
"""First segments of the paths that the gateway serves itself; no Trigger may declare a path below them."""

# Roles that are there from the start; an AccessRole of such a name changes nothing.
TENANT_ROLES = ("viewer", "developer", "operator", "approver", "admin")
BUILT_IN_ROLES = (*TENANT_ROLES, "platform-admin")

RESERVED_API_ROOTS = (
    "auth",
    "apikeys",
    "tenants",
    "platformpolicies",
    "accessroles",
    "accessbindings",
    "agents",
    "workflows",
    "triggers",
    "mcpservers",
    "modelroutes",
    "memorycollections",
    "approvalpolicies",
    "policies",
    "runs",
    "approvals",
    "tools",
    "memories",
    "artifacts",
    "models",
    "bus",
    "events",
)
"""What the API itself names: no Trigger may declare a path below `/api/v1/` and one of them."""

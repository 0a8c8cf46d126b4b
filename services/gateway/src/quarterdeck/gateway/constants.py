"""What the outside of the gateway sees: paths, headers, media types and limits."""

from __future__ import annotations

API_PREFIX = "/api/v1"
TENANT_PREFIX = API_PREFIX + "/tenants/{tenant}"

# Paths that answer without a token. Everything else is refused with 401, unknown paths
# included; a webhook's path is open to its signature alone (see `triggers`).
# Where browsers sign in, come back to, and sign out.
SIGN_IN_PATH = f"{API_PREFIX}/auth/login"
SIGNED_IN_PATH = f"{API_PREFIX}/auth/callback"
SIGN_OUT_PATH = f"{API_PREFIX}/auth/logout"
OPEN_PATHS = frozenset(
    {
        "/",
        API_PREFIX,
        f"{API_PREFIX}/",
        f"{API_PREFIX}/auth/providers",
        "/health",
        "/livez",
        "/readyz",
        "/docs",
        "/openapi.json",
        "/console",
        SIGN_IN_PATH,
        SIGNED_IN_PATH,
        SIGN_OUT_PATH,
    }
)
OPEN_PREFIXES = ("/health/", "/docs/", "/console/")
# Open only while the gateway listens on the loopback interface.
LOOPBACK_PATHS = frozenset({"/metrics"})

# The administrator made at the first start.
ADMIN_TOKEN_FILE = "admin-token"
TOKEN_PREFIX = "qd_"
ADMIN_SUBJECT = "local:admin"
# Principals that are programs of a tenant: what is behind it, an API key may be for.
ACCOUNT_PREFIX = "account:"

# An API key that is asked for without saying how long lasts so many seconds; none lasts longer.
KEY_LIFE, LONGEST_KEY_LIFE = 90 * 86400.0, 366 * 86400.0
KEY_OVERLAP = 86400.0
KEYS_SECRET_FILE = "api-keys-secret"
# A longer one is nobody's.
LONGEST_TOKEN = 16 * 1024

REQUEST_ID_HEADER = "X-Request-Id"
FORWARDED_FOR_HEADER = "X-Forwarded-For"
IDEMPOTENCY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
OUTCOME_HEADER = "Quarterdeck-Outcome"
LAST_EVENT_HEADER = "Last-Event-ID"

PROBLEM_JSON = "application/problem+json"
JSON = "application/json"
EVENT_STREAM = "text/event-stream"
PROBLEM_TYPE_PREFIX = "urn:quarterdeck:problem:"

# Runs of one batch; the runtime takes no more.
BATCH_RUNS = 1000
DEFAULT_BODY_LIMIT = 8 * 1024 * 1024
BODY_SECONDS = 60.0
# A unary call by gRPC that comes without a deadline ends after so many seconds.
LONGEST_CALL = 900.0
# A response larger than this is not kept for a repeated Idempotency-Key.
KEPT_RESPONSE_BYTES = 1024 * 1024
IDEMPOTENCY_TTL = 24 * 3600.0
IDEMPOTENCY_KEY_LENGTH = 255
# An unfinished first request blocks its key no longer than this, in seconds.
IDEMPOTENCY_IN_FLIGHT = 600.0

# Requests a minute: of one principal; of all in one tenant; of one address, with bad credentials.
REQUESTS_PER_MINUTE, TENANT_REQUESTS_PER_MINUTE, FAILURES_PER_MINUTE = 60, 600, 60

HEARTBEAT_SECONDS = 15.0
# How often it is asked whether the reader of an open stream may still read it.
REAUTHORIZE_SECONDS = 60.0
# From a sign-in in a browser to the next: a working day.
SESSION_SECONDS = 8 * 3600.0
# That somebody has for signing in.
BEGUN_SECONDS = 600
# The largest position of a journal: what a 64-bit integer of the wire and of the database holds.
LARGEST_SEQUENCE = 2**63 - 1
# How long a stream may take to fail before it is answered with status 200.
STREAM_PATIENCE = 0.25

# Standard Webhooks (https://www.standardwebhooks.com).
WEBHOOK_ID = "webhook-id"
WEBHOOK_TIMESTAMP = "webhook-timestamp"
WEBHOOK_SIGNATURE = "webhook-signature"
WEBHOOK_SECRET_PREFIX = "whsec_"
WEBHOOK_TOLERANCE = 300.0

# Request headers that a trigger's payload may show; never credentials.
PAYLOAD_HEADERS = (
    "accept-language",
    "content-type",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "x-request-id",
)

# The kind of a run of one step, made of a single tool call; its name is server/tool.
TOOL_RUN_KIND = "Tool"

# Kinds by the plural that paths use.
CLUSTER_KINDS = {"tenants": "Tenant", "platformpolicies": "PlatformPolicy"}
TENANT_KINDS = {
    "accessroles": "AccessRole",
    "accessbindings": "AccessBinding",
    "agents": "Agent",
    "workflows": "Workflow",
    "triggers": "Trigger",
    "mcpservers": "MCPServer",
    "modelroutes": "ModelRoute",
    "memorycollections": "MemoryCollection",
    "approvalpolicies": "ApprovalPolicy",
    "policies": "Policy",
}
PLURALS = {kind: plural for plural, kind in (CLUSTER_KINDS | TENANT_KINDS).items()}

"""Names and numbers of the platform that its outside sees."""

API_GROUP = "quarterdeck.dev"
API_VERSION = "quarterdeck.dev/v1alpha1"

SERVICES = ("gateway", "registry", "agent-runtime", "mcp-manager", "memory")

DEFAULT_TENANT = "default"

# gRPC metadata keys.
WORKLOAD_HEADER = "authorization"
HOLDER_HEADER = "x-qd-for-whom"
TRACE_HEADER = "traceparent"

# The service whose word counts for what runs do.
RUN_AUTHORITY = "agent-runtime"

# The group whose members may do everything; the local administrator is in it.
PLATFORM_ADMINS = "quarterdeck:platform-admins"
# Principals of the services themselves, as "system:service:<name>".
SERVICE_PRINCIPAL_PREFIX = "system:service:"

# Largest message on an internal channel: a tool result at its upper bound, and some room.
MAX_MESSAGE_BYTES = 32 * 1024 * 1024

# Of channels and servers. A connection with calls on it that was silent for ten seconds is asked whether it
# is still there, and given up when nothing came back for five more: else a peer that vanished without a word
# would hold a long call, or a stream, until TCP gives up after a quarter of an hour.
KEEPALIVE_OPTIONS = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # The one that counts for a ping that was sent; its default is a minute.
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
)

# A payload up to here travels and is stored inline; a larger one becomes an artifact.
INLINE_BYTES = 32 * 1024

# Largest metadata of a call: proofs name groups, and what a run declares.
MAX_METADATA_BYTES = 64 * 1024

# Deepest nesting of lists and objects in a value from outside. The reader takes 200: a value that was taken
# in is put into others and must still be readable then.
MAX_JSON_DEPTH = 100

# No handler may hold the event loop longer than this, in seconds.
LOOP_LAG_LIMIT = 0.05

DEFAULT_HTTP_PORT = 8420
DEFAULT_GRPC_PORT = 8421

# In the `MetaData.info` of a schema: all of its writes wait for each other, by `serialize`. Several
# collections of them at once would only keep each other from their lock.
ONE_AT_A_TIME = "one_at_a_time"

"""What the outside of the memory service sees, and the limits it keeps."""

# Metric names; the counters' client adds "_total".
CACHE_HIT_METRIC = "memory_cache_hit"
CACHE_MISS_METRIC = "memory_cache_miss"

# Seconds that the first-level cache keeps things.
EMBEDDING_TTL = 7 * 24 * 3600.0
QUERY_TTL = 3600.0

DEFAULT_LIMIT = 10
MAX_LIMIT = 1000
MAX_ITEMS_PER_SAVE = 1000
MAX_IDS_PER_DELETE = 10_000
MAX_TEXT_CHARACTERS = 100_000
MAX_QUERY_CHARACTERS = 10_000
MAX_ID_CHARACTERS = 512
MAX_PAYLOAD_BYTES = 64 * 1024
MAX_FILTER_DEPTH = 16
MAX_FILTER_TERMS = 256

# Every condition type of a MemoryCollection that this service writes.
CONDITION_READY = "Ready"

# A collection whose resource is gone is refused at once; its data is removed after this many
# seconds, so that a registry restored from an older backup does not take memories with it.
DROP_GRACE = 24 * 3600.0

SWEEP_INTERVAL = 60.0
# Seconds until a collection whose engine or registry did not answer is looked at again.
RETRY_INTERVAL = 5.0
SWEEP_PAGE = 500
# Seconds until a collection's status says how many items it holds after they were saved or deleted.
RECOUNT_INTERVAL = 3.0

DEFAULT_DIMENSION = 1536
OPENAI_MODEL = "text-embedding-3-small"

# Seconds that one request to a Qdrant server may take.
SERVER_TIMEOUT = 10.0

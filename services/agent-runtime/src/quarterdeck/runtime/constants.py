"""Numbers and names of the engine that its outside sees."""

from quarterdeck.common.constants import MAX_JSON_DEPTH

# Version of the events and of the fold over them.
REDUCER_VERSION = 1
# Newest version of a run that this release can read, from how its journal is written to how it is folded; a
# worker claims no newer ones. Runs begin with REDUCER_VERSION. One that an older release met and could not
# read has a higher one. (2: a row of the journal may hold several events.)
READABLE_VERSION = 2

# Refused with a clear error when exceeded (bytes; items).
MAX_EVENT_BYTES = 64 * 1024
# What a person is shown with a question: title, summary and data together.
MAX_APPROVAL_BYTES = 40 * 1024
MAX_STATE_BYTES = 1024 * 1024
# Levels of lists and objects in an event: those of a value that was taken in, and some around it.
MAX_EVENT_DEPTH = MAX_JSON_DEPTH + 20
# Characters of a name (a key, a session, a label), of a reason or comment; labels of one run.
MAX_NAME = 256
MAX_REMARK = 2000
MAX_LABELS = 64
# Runs that one call starts.
MAX_BATCH = 1000
MAX_MAP_ITEMS = 1_000_000
# Runs above a run: a workflow that calls itself ends with an error, not with the disk.
MAX_DEPTH = 32
# A run goes before those that it started: else one that starts more and more of them keeps everybody waiting,
# its own cancellation first. Between two priorities there is room for a tree of any depth.
PRIORITY_STEP = 100
# Of a worker's places, one in so many is never filled by a run that begins without a claim: a worker that is
# full of such would have none for what is taken over from a dead one.
KEPT_FOR_CLAIMS = 8

# Children that one statement creates, and inbox rows that one event folds.
# (A page is built between two turns of the event loop, so it is smaller than the statement allows.)
CHILD_PAGE = 250
INBOX_PAGE = 1000
# Items of a map from which on it counts as a large one, and as one whose end may be seen a second late.
LARGE_MAP = 1000
HUGE_MAP = 20_000

SNAPSHOT_EVERY = 200

# Claims of a run without progress between them before it is quarantined.
POISON_ATTEMPTS = 3
# At the end of so many of them its worker must have held nothing else: only then is nobody else to blame.
# (Two were not enough: where a worker is killed every six seconds, one run in some two thousand had both.)
POISON_ALONE = 3
# From so many claims on it is a suspect: claimed alone.
# (Part of the schema: an index finds suspects.)
SUSPECT_ATTEMPTS = 2

# Seconds.
# A dead worker's runs go on within a lease, a heartbeat and a sweep: less than ten seconds.
HEARTBEAT_PERIOD = 1.5
LEASE_SECONDS = 6.0
# A worker that could not renew its own lease for so long judges nobody else's.
LATE_SECONDS = 3.0
SWEEP_PERIOD = 2.0
# How long a wake-up may hold up who sends it.
WAKE_PATIENCE = 0.5
# How long a map waits for more of its items to end before it looks: a large one folds many at once.
ITEM_WAKE_DELAY = 0.05
LATE_ITEM_WAKE_DELAY = 0.2
LONGEST_ITEM_WAKE_DELAY = 0.8
# Seconds for which the cache has what was said in a turn of a session.
SESSION_TTL = 24 * 3600.0
# Most characters of what a run's row says about why it does not go on.
LONGEST_REASON = 500
# The id, and the purpose, of the timer that ends a run that takes too long.
RUN_TIMEOUT = "run-timeout"
# How the ids of timers begin that look again for something live that is missing.
LOOK = "look:"
PARK_RETRY_FIRST = 1.0
PARK_RETRY_MOST = 60.0
HAND_OVER_SECONDS = 2.0
# How long a suspect waits for a worker that happens to be idle, before workers stop claiming for it; how long
# until it is taken in company, doubled with each further attempt, and at most; and how often the worker of a
# suspect looks whether it got on.
SUSPECT_PATIENCE = 0.5
SUSPECT_WAIT = 1.5
SUSPECT_LONGEST_WAIT = 24.0
SUSPECT_LOOK = 0.1

DEFAULT_AGENT_TURNS = 25
DEFAULT_RETRY_ATTEMPTS = 3

# Bus topics.
TOPIC_READY = "runs.ready"
TOPIC_POKE = "runs.poke"
TOPIC_LISTENING = "runs.listening"
TOPIC_EVENTS = "runs.events"

# Names of the tools that the platform itself gives to agents.
TOOL_ASK_PERSON = "ask_person"
TOOL_SEARCH_MEMORY = "memory_search"
TOOL_SAVE_MEMORY = "memory_save"
# What a person may say of a call whose outcome nobody knows: call it again, it was made, give it up.
RESOLUTIONS = ("retry", "done", "fail")

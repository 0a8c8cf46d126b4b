"""Names and numbers of the tool-call path that its outside sees."""

from __future__ import annotations

# Answers to a call up to this size are handled in the event loop; larger ones in the worker process, since
# parsing and validating 32 KiB takes about as long as the loop may be held.
INLINE_BYTES = 32 * 1024

# Largest message that is not an answer to a call (a page of tools, a notification), in bytes.
CONTROL_MESSAGE_BYTES = 1024 * 1024

# JSON-RPC error codes of answers that our transports make up, outside the range that MCP uses.
# UNREACHABLE: nothing was sent. The others: it was sent, and what became of it is not known.
OVERSIZED = -32950
UNREADABLE = -32951
UNREACHABLE = -32952
LOST = -32953

# Key in a result's `_meta` that stands for a payload kept aside.
PAYLOAD_KEY = "quarterdeck.dev/payload"

# Seconds that a server gets to answer the handshake, and to list its tools.
HANDSHAKE_TIMEOUT = 30.0
LIST_TIMEOUT = 30.0
MAX_TOOLS = 1000

# Seconds a server gets to end by itself once its input is closed, and after SIGTERM.
STOP_GRACE = 2.0
TERM_GRACE = 1.0

# What is kept of a server's standard error for messages, in bytes; longest line and most lines a second
# that go to the log.
STDERR_TAIL = 2048
STDERR_LINE = 4096
STDERR_RATE = 50

# Longest stretch in which one server's output may hold the event loop, in seconds.
READ_SLICE = 0.005

# Annotations of an MCPServer. SOURCE_DIRECTORY is the absolute directory of the manifest, against which
# `local.workingDirectory` is resolved; ACCEPTED_PINS lists the pins of tools that were looked at, separated
# by spaces or commas.
SOURCE_DIRECTORY = "quarterdeck.dev/source-directory"
ACCEPTED_PINS = "quarterdeck.dev/accepted-pins"

# An isolated session that its run has not used for so long is ended, in seconds; and the most of them that
# one server keeps.
ISOLATED_IDLE = 60.0
ISOLATED_SESSIONS = 32

# How long a call waits for its server to start or for a free slot, in seconds.
START_TIMEOUT = 30.0

# How long a call that a pod did not take is taken to another one, in seconds: while pods are replaced.
ANOTHER_POD_WITHIN = 10.0

# How long a listing of tools waits for servers that are not up yet, in seconds.
LIST_WAIT = 10.0

# What is read of the body of a refused HTTP request, in bytes.
EDGE_BODY = 16 * 1024

# Largest arguments of a call, in bytes: they are read, hashed and written in the event loop.
MAX_ARGUMENTS = 256 * 1024

# Call ids that are closed by one request.
MAX_SEALED = 1000

# Outcomes that are kept in memory, by number and by bytes: the only record of read-only calls.
RECENT_OUTCOMES = 2000
RECENT_BYTES = 16 * 1024 * 1024

# Larger results are not kept for other calls, in bytes.
CACHED_RESULT_BYTES = 256 * 1024

# How long an outcome can be asked for again, and how often older ones are cleared away, in seconds.
KEEP_OUTCOMES = 7 * 24 * 3600.0
CLEAR_PERIOD = 3600.0

# How long an uncertain outcome is held back until the server process that was asked is known to be dead, in
# seconds: more than ending a hanging one takes.
DEATH_TIMEOUT = 5.0

# How long a server on which a call timed out gets to answer a ping before it is ended, in seconds.
PING_TIMEOUT = 5.0

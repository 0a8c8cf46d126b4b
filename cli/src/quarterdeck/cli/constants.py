"""Names and numbers of `qd` that people and scripts see."""

VERSION = "0.1.0"

# What an exit code means. docs/cli.md shows this table.
EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INVALID = 3
EXIT_NOT_FOUND = 4
EXIT_DENIED = 5
EXIT_UNREACHABLE = 6
EXIT_CONFLICT = 7
EXIT_RUN_FAILED = 8
EXIT_TIMEOUT = 9
EXIT_IN_USE = 10
EXIT_STORAGE = 11
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130

EXIT_CODES: tuple[tuple[int, str], ...] = (
    (EXIT_OK, "done; a run that was followed succeeded, or only waits for people"),
    (EXIT_FAILED, "the command failed; `qd diff`, `qd doctor`, `qd test` or `--batch` found something"),
    (EXIT_USAGE, "the command line is wrong"),
    (EXIT_INVALID, "a manifest or an input was refused, here or by the platform"),
    (EXIT_NOT_FOUND, "no such thing"),
    (EXIT_DENIED, "not signed in, or not allowed"),
    (EXIT_UNREACHABLE, "the platform does not answer, or a part of it is away"),
    (EXIT_CONFLICT, "something else happened first: a version, a key or a decision"),
    (EXIT_RUN_FAILED, "the run that was followed failed, was cancelled, timed out or is quarantined"),
    (EXIT_TIMEOUT, "it took longer than asked for"),
    (EXIT_IN_USE, "a port or the data directory is used by another process"),
    (EXIT_STORAGE, "the data directory cannot be written, the disk is full, or a database is damaged"),
    (EXIT_INTERNAL, "a defect of `qd` itself; QD_DEBUG=1 shows where"),
    (EXIT_INTERRUPTED, "interrupted"),
)

DATA_DIR_NAME = ".quarterdeck"
ENDPOINT_FILE = "endpoint.json"
ADMIN_TOKEN_FILE = "admin-token"
LOG_FILE = "logs/quarterdeck.log"
LOCKS_DIR = "locks"
PROCESSES_DIR = "processes"

# The context that needs no configuration: the platform of the nearest data directory.
LOCAL_CONTEXT = "local"

# Where `qd serve NAME` answers /health and /metrics unless told otherwise.
MANAGEMENT_PORTS = {
    "gateway": 8430,
    "registry": 8431,
    "agent-runtime": 8432,
    "mcp-manager": 8433,
    "memory": 8434,
}
# The same for the controllers of a cluster, which are programs of their own.
CONTROLLER_PORTS = {"registry-controller": 8435, "mcp-controller": 8436}

# Set by a shell's completion script; "source_<shell>" asks for that script.
COMPLETE_VARIABLE = "_QD_COMPLETE"

# How long `qd apply` waits for the condition Accepted, in seconds.
ACCEPTED_TIMEOUT = 2.0

# States in which a run moves no more by itself.
ENDED_STATES = ("succeeded", "failed", "cancelled", "timed-out", "quarantined")
FAILED_STATES = ("failed", "cancelled", "timed-out", "quarantined")

// Package serve offers a stdio MCP server over Streamable HTTP.
package serve

import (
	"io"
	"time"
)

// Config says how. Sizes are in bytes.
type Config struct {
	Path        string
	Arguments   []string
	Environment []string
	Directory   string
	// Scratch is a folder in which every process of the server gets a HOME and a TMPDIR of its own, removed with
	// it; empty: they share the container's.
	Scratch string
	// Shared lets all sessions use one process.
	Shared bool

	MaxMessage  int
	MaxSessions int
	MaxRequests int

	Idle          time.Duration
	ClientTimeout time.Duration
	StartTimeout  time.Duration
	DrainGrace    time.Duration
	EOFGrace      time.Duration
	TermGrace     time.Duration

	Version string
	Log     io.Writer
}

// Timing that nobody needs to set.
const (
	// pingEvery keeps a silent stream alive; an answer that takes longer becomes a stream.
	pingEvery = 15 * time.Second
	// discoverTimeout is what a server gets to say that it knows the newer era: those that do not may say nothing.
	discoverTimeout = 5 * time.Second
	// checkEvery is how often the server is tried until it first answers.
	checkEvery = 2 * time.Second
	// queueEvents and heldEvents bound what waits for a slow client, and for one that is not listening.
	queueEvents = 256
	heldEvents  = 64
	keptExits   = 16
	keptEnds    = 256
)

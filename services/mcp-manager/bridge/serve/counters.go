package serve

import "sync/atomic"

// counters are what /metrics tells.
type counters struct {
	requests, answers, failed, cancelled atomic.Int64
	stray, oversized, unclaimed, slow    atomic.Int64
	sessions, refused                    atomic.Int64
	started, ended, crashed, oomKilled   atomic.Int64
}

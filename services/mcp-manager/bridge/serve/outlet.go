package serve

import (
	"sync"
	"sync/atomic"
	"time"
)

// outlet is one open HTTP answer that messages can be written to: of a POST, or the stream of a GET.
//
// Its queue is bounded by number and by size. Who fills it waits, which in the end the server behind feels;
// a client that takes nothing for too long loses the stream.
type outlet struct {
	limit int

	mu      sync.Mutex
	queue   []event
	size    int
	closed  bool
	arrived chan struct{}
	taken   chan struct{}

	given sync.Once
}

// giveUp notes, once, that the client took nothing for too long: seen by who fills the queue or by who writes.
func (o *outlet) giveUp(slow *atomic.Int64) {
	o.given.Do(func() { slow.Add(1) })
}

// event is a message on its way to a client. The last answer of a POST is final; code is that of an error.
type event struct {
	data  []byte
	code  int
	final bool
}

func newOutlet(limit int) *outlet {
	return &outlet{limit: limit, arrived: make(chan struct{}, 1), taken: make(chan struct{}, 1)}
}

// send queues an event, waiting at most patience for room; false if the client will not get it. Only one
// goroutine sends to an outlet with patience at a time: the one that reads the server.
func (o *outlet) send(e event, patience time.Duration) bool {
	var late <-chan time.Time
	for {
		switch o.offer(e) {
		case taken:
			return true
		case refused:
			return false
		}
		if late == nil {
			late = time.After(patience)
		}
		select {
		case <-o.taken:
		case <-late:
			o.close()
			return false
		}
	}
}

type offered int

const (
	taken offered = iota
	refused
	full
)

func (o *outlet) offer(e event) offered {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return refused
	}
	if len(o.queue) > 0 && !e.final && (len(o.queue) >= queueEvents || o.size+len(e.data) > o.limit) {
		return full
	}
	o.queue = append(o.queue, e)
	o.size += len(e.data)
	nudge(o.arrived)
	return taken
}

// next returns the oldest event; false if there is none now.
func (o *outlet) next() (event, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		return event{}, false
	}
	first := o.queue[0]
	o.queue = o.queue[1:]
	o.size -= len(first.data)
	nudge(o.taken)
	return first, true
}

// close makes senders give up; what is queued can still be taken.
func (o *outlet) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	nudge(o.taken)
	nudge(o.arrived)
}

func (o *outlet) isClosed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed
}

func nudge(channel chan struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}

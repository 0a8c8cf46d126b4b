package serve

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"

	"quarterdeck.dev/bridge/child"
	"quarterdeck.dev/bridge/rpc"
)

// replyTimeout is how long an answer of the bridge's own may wait for the server to read it.
const replyTimeout = 10 * time.Second

// link is one process of the server, the sessions that use it, and the requests that it owes an answer.
//
// Requests get ids and progress tokens of the link's own on the way in, and their client's on the way out:
// several clients may speak under one session id, and each counts from one.
type link struct {
	config   *Config
	counters *counters
	child    *child.Child
	scratch  string
	onEnd    func(*link)

	mu       sync.Mutex
	last     int64
	pending  map[int64]*call
	asked    map[string]*session
	sessions map[*session]struct{}
	used     time.Time
	ended    bool
	exit     child.Exit
	over     chan struct{}
	stopping sync.Once
}

// call is a request under way.
type call struct {
	method   string
	id       json.RawMessage
	token    json.RawMessage
	exchange *exchange
}

func newLink(config *Config, counters *counters, running *child.Child, scratch string, onEnd func(*link)) *link {
	made := &link{
		config: config, counters: counters, child: running, scratch: scratch, onEnd: onEnd, used: time.Now(),
		pending: map[int64]*call{}, asked: map[string]*session{}, sessions: map[*session]struct{}{},
		over: make(chan struct{}),
	}
	go made.read()
	return made
}

// attach gives a session to the link; false if its process has ended meanwhile.
func (l *link) attach(s *session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	s.link = l
	l.sessions[s] = struct{}{}
	return true
}

// open begins a POST in a session.
func (l *link) open(s *session, streams bool, requests int) *exchange {
	made := &exchange{
		outlet: newOutlet(2 * l.config.MaxMessage), session: s, streams: streams, waiting: requests, opened: time.Now(),
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.used = time.Now()
	if requests > 0 {
		s.exchanges[made] = struct{}{}
		if streams {
			s.flush(made.outlet)
		}
	}
	return made
}

// close ends a POST. Where closing it is how a client cancels, the server is told.
func (l *link) close(e *exchange, cancels bool) {
	e.outlet.close()
	l.mu.Lock()
	delete(e.session.exchanges, e)
	e.session.used = time.Now()
	var left []int64
	for number, call := range l.pending {
		if call.exchange == e && cancels {
			left = append(left, number)
			delete(l.pending, number)
		}
	}
	l.mu.Unlock()
	for _, number := range left {
		l.counters.cancelled.Add(1)
		l.tell(cancellation(rpc.NumberID(number), json.RawMessage(`{"reason":"the client closed the request"}`)))
	}
}

func (l *link) listen(s *session, o *outlet) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.used = time.Now()
	s.listen(o)
}

func (l *link) unlisten(s *session, o *outlet) {
	o.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	s.used = time.Now()
	s.unlisten(o)
}

// submit passes a message of a client on to the server.
func (l *link) submit(ctx context.Context, s *session, e *exchange, message rpc.Message) {
	switch message.Kind {
	case rpc.Request:
		l.request(ctx, e, message)
	case rpc.Response:
		l.reply(ctx, s, message)
	case rpc.Notification:
		l.notify(ctx, s, message)
	}
}

func (l *link) request(ctx context.Context, e *exchange, message rpc.Message) {
	l.counters.requests.Add(1)
	asked := &call{method: message.Method, id: message.ID, exchange: e}
	l.mu.Lock()
	l.last++
	number := l.last
	l.pending[number] = asked
	l.used = time.Now()
	l.mu.Unlock()
	message.ID = rpc.NumberID(number)
	message.Params, asked.token = rpc.WithToken(message.Params, message.ID)
	if err := l.child.Send(ctx, message.Encode()); err != nil {
		l.unsent(number, err)
	}
}

// unsent answers a request that never got to the server.
func (l *link) unsent(number int64, err error) {
	message := "the tool server did not take the request while its client waited"
	if errors.Is(err, child.ErrGone) {
		<-l.child.Exited()
		message = "the tool server " + l.child.Exit().String()
	}
	l.fail(number, rpc.Fault{Code: rpc.Unreachable, Message: message})
}

// reply passes on a client's answer, if the server asked that session for one.
func (l *link) reply(ctx context.Context, s *session, message rpc.Message) {
	l.mu.Lock()
	expected := l.asked[string(message.ID)] == s
	if expected {
		delete(l.asked, string(message.ID))
	}
	l.mu.Unlock()
	if !expected {
		l.counters.unclaimed.Add(1)
		return
	}
	_ = l.child.Send(ctx, message.Encode())
}

func (l *link) notify(ctx context.Context, s *session, message rpc.Message) {
	switch message.Method {
	case "notifications/initialized":
		if !l.confirm(s) {
			return
		}
	case "notifications/cancelled":
		l.cancel(s, message)
		return
	}
	_ = l.child.Send(ctx, message.Encode())
}

// confirm tells whether this is the first time that a client says so to this process.
func (l *link) confirm(s *session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for one := range l.sessions {
		if one.confirmed {
			return false
		}
	}
	s.confirmed = true
	return true
}

// cancel passes a cancellation on under the id that the server knows, and ends the POST that waits: a server
// that was cancelled need not answer.
func (l *link) cancel(s *session, message rpc.Message) {
	wanted := string(rpc.Cancelled(message.Params))
	l.mu.Lock()
	var found int64
	for number, call := range l.pending {
		if call.exchange.session == s && string(call.id) == wanted && number > found {
			found = number
		}
	}
	l.mu.Unlock()
	if found == 0 {
		return
	}
	l.counters.cancelled.Add(1)
	l.tell(cancellation(rpc.NumberID(found), message.Params))
	l.fail(found, rpc.Fault{Code: 0, Message: "Request cancelled"})
}

func cancellation(id, params json.RawMessage) rpc.Message {
	return rpc.Message{Kind: rpc.Notification, Method: "notifications/cancelled", Params: rpc.Cancel(params, id)}
}

// tell sends something of the bridge's own to the server without waiting for it.
func (l *link) tell(message rpc.Message) {
	line := message.Encode()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), replyTimeout)
		defer cancel()
		_ = l.child.Send(ctx, line)
	}()
}

// fail answers a request in the server's place.
func (l *link) fail(number int64, fault rpc.Fault) {
	if asked := l.take(number); asked != nil {
		l.counters.failed.Add(1)
		l.settle(asked, fault.Answer(asked.id), fault.Code)
	}
}

// take removes a request from those under way: whoever gets it answers it.
func (l *link) take(number int64) *call {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := l.pending[number]
	delete(l.pending, number)
	if asked != nil {
		asked.exchange.session.used = time.Now()
		l.used = time.Now()
	}
	return asked
}

// settle gives a request its answer.
func (l *link) settle(asked *call, answer rpc.Message, code int) {
	l.mu.Lock()
	if asked.method == initialize {
		asked.exchange.session.greet(answer.Result)
	}
	asked.exchange.waiting--
	final := asked.exchange.waiting == 0
	l.mu.Unlock()
	answer.ID = asked.id
	if !asked.exchange.send(event{answer.Encode(), code, final}, l.patience()) {
		l.counters.unclaimed.Add(1)
	}
}

// patience is how long the server waits for a slow client. Where it serves several, one must not hold the others.
func (l *link) patience() time.Duration {
	if l.config.Shared {
		return 0
	}
	return l.config.ClientTimeout
}

// inFlight returns how many requests have no answer yet.
func (l *link) inFlight() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending)
}

// greets tells whether this client's handshake goes to the server: the first one does, others get the same answer.
func (l *link) greets(s *session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.greeted != nil {
		return false
	}
	s.greeted = make(chan struct{})
	return true
}

// detach takes a session away; true if it was the last.
func (l *link) detach(s *session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sessions, s)
	for _, listener := range s.listeners {
		listener.close()
	}
	for exchange := range s.exchanges {
		if exchange.waiting == 0 {
			continue
		}
		for number, call := range l.pending {
			if call.exchange == exchange {
				delete(l.pending, number)
				fault := rpc.Fault{Code: rpc.Lost, Message: "the session was ended"}
				exchange.waiting--
				exchange.offer(event{fault.Answer(call.id).Encode(), fault.Code, exchange.waiting == 0})
			}
		}
	}
	return len(l.sessions) == 0
}

// stop ends the server's process and returns when it has ended.
func (l *link) stop() {
	l.stopping.Do(func() { l.child.Stop(l.config.EOFGrace, l.config.TermGrace) })
	<-l.over
}

// read takes what the server says until it ends.
func (l *link) read() {
	lines := rpc.NewLines(l.child.Stdout, l.config.MaxMessage)
	for {
		line, err := lines.Next()
		if err != nil {
			break
		}
		l.deliver(line)
	}
	select {
	case <-l.child.Exited():
	case <-time.After(time.Second):
		// A server that has closed its output can answer nothing any more.
		l.stopping.Do(func() { l.child.Stop(l.config.EOFGrace, l.config.TermGrace) })
	}
	<-l.child.Exited()
	l.end(l.child.Exit())
}

// end fails whatever waits for a server that has ended.
func (l *link) end(exit child.Exit) {
	_ = l.child.Stdout.Close()
	if l.scratch != "" {
		_ = os.RemoveAll(l.scratch)
	}
	l.mu.Lock()
	l.ended, l.exit = true, exit
	left := make([]int64, 0, len(l.pending))
	for number := range l.pending {
		left = append(left, number)
	}
	for s := range l.sessions {
		for _, listener := range s.listeners {
			listener.close()
		}
	}
	l.mu.Unlock()
	for _, number := range left {
		l.fail(number, rpc.Fault{Code: rpc.Lost, Message: "the tool server " + exit.String(), Data: exit})
	}
	l.onEnd(l)
	close(l.over)
}

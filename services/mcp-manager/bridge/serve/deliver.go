package serve

import (
	"encoding/json"
	"fmt"
	"strings"

	"quarterdeck.dev/bridge/rpc"
)

// deliver passes a line of the server on to whom it is for.
func (l *link) deliver(line rpc.Line) {
	if line.Data == nil && line.Size > l.config.MaxMessage {
		l.counters.oversized.Add(1)
		text := fmt.Sprintf("the tool server's message has %d bytes; at most %d are taken", line.Size, l.config.MaxMessage)
		l.broken(line.Head, line.Tail, rpc.Fault{Code: rpc.Oversized, Message: text})
		return
	}
	if len(line.Data) == 0 {
		return
	}
	message, err := rpc.Parse(line.Data)
	if err != nil {
		l.counters.stray.Add(1)
		l.stray(line.Data)
		if rpc.LooksLikeMessage(line.Data) {
			text := "the tool server's answer cannot be read: " + err.Error()
			l.broken(line.Data, line.Data, rpc.Fault{Code: rpc.Unreadable, Message: text})
		}
		return
	}
	switch message.Kind {
	case rpc.Response:
		l.answered(message)
	case rpc.Request:
		l.initiative(message)
	case rpc.Notification:
		l.notified(message)
	}
}

// stray logs output that is no message, shortened.
func (l *link) stray(data []byte) {
	text := strings.ToValidUTF8(string(data[:min(len(data), 200)]), "�")
	fmt.Fprintf(l.config.Log, "%d| (no message on standard output) %s\n", l.child.Pid, text)
}

// broken fails the request that an unreadable line answers, or the oldest one where it does not say.
func (l *link) broken(head, tail []byte, fault rpc.Fault) {
	if rpc.IsInitiative(head) {
		return
	}
	if number, known := rpc.Number(rpc.AnsweredID(head, tail)); known {
		l.fail(number, fault)
		return
	}
	l.mu.Lock()
	var oldest int64
	for number := range l.pending {
		if oldest == 0 || number < oldest {
			oldest = number
		}
	}
	l.mu.Unlock()
	l.fail(oldest, fault)
}

func (l *link) answered(message rpc.Message) {
	number, _ := rpc.Number(message.ID)
	asked := l.take(number)
	if asked == nil {
		l.counters.unclaimed.Add(1)
		return
	}
	l.counters.answers.Add(1)
	var fault struct{ Code int }
	_ = json.Unmarshal(message.Error, &fault)
	l.settle(asked, message, fault.Code)
}

// notified passes on a notification: to the request that it names, to the session that it can only be for, or,
// where it says that something has changed for everybody, to all.
func (l *link) notified(message rpc.Message) {
	switch {
	case message.Method == "notifications/progress":
		if call := l.named(rpc.Token(message.Params)); call != nil && call.token != nil {
			message.Params = rpc.WithProgress(message.Params, call.token)
			l.push(call.exchange, message)
		}
		return
	case message.Method == "notifications/cancelled":
		l.withdraw(message)
		return
	}
	if subscription := rpc.Subscription(message.Params); subscription != nil {
		if call := l.named(subscription); call != nil {
			message.Params = rpc.WithSubscription(message.Params, call.id)
			l.push(call.exchange, message)
		}
		return
	}
	if s := l.only(); s != nil {
		l.pass(s, message)
	} else if concernsAll(message.Method) {
		l.broadcast(message)
	}
}

func concernsAll(method string) bool {
	return strings.HasSuffix(method, "/list_changed") || method == "notifications/resources/updated"
}

// named returns the request that the server means by an id or a token of the link's.
func (l *link) named(id json.RawMessage) *call {
	number, known := rpc.Number(id)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !known {
		return nil
	}
	return l.pending[number]
}

// only returns the session that a message without an address is for: the one there is, or the one that is
// waiting for something. Nil when it could be for several.
func (l *link) only() *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found, alone *session
	for s := range l.sessions {
		alone = s
		if len(s.exchanges) == 0 {
			continue
		}
		if found != nil {
			return nil
		}
		found = s
	}
	if len(l.sessions) == 1 {
		return alone
	}
	return found
}

// initiative passes on what the server asks a client.
func (l *link) initiative(message rpc.Message) {
	s := l.only()
	if s == nil || s.common {
		l.refuse(message.ID, "the server serves several clients at once: whom it asks cannot be told")
		return
	}
	l.mu.Lock()
	l.asked[string(message.ID)] = s
	l.mu.Unlock()
	l.pass(s, message)
}

// withdraw passes on that the server does not want the answer any more.
func (l *link) withdraw(message rpc.Message) {
	id := string(rpc.Cancelled(message.Params))
	l.mu.Lock()
	s := l.asked[id]
	delete(l.asked, id)
	l.mu.Unlock()
	if s != nil {
		l.pass(s, message)
	}
}

func (l *link) refuse(id json.RawMessage, why string) {
	l.mu.Lock()
	delete(l.asked, string(id))
	l.mu.Unlock()
	l.tell(rpc.Fault{Code: rpc.MethodNotFound, Message: why}.Answer(id))
}

// pass sends a message to a session, or keeps it until the client listens.
func (l *link) pass(s *session, message rpc.Message) {
	line := message.Encode()
	l.mu.Lock()
	target := s.outletFor()
	var dropped []byte
	if target == nil && !s.common {
		dropped = s.hold(line)
	}
	l.mu.Unlock()
	if target != nil {
		l.send(target, line)
	}
	if dropped == nil {
		return
	}
	if old, err := rpc.Parse(dropped); err == nil && old.Kind == rpc.Request {
		l.refuse(old.ID, "no client listens")
	}
}

// push sends what belongs to a request, if its client takes more than the answer.
func (l *link) push(target *exchange, message rpc.Message) {
	if target.streams {
		l.send(target.outlet, message.Encode())
	}
}

func (l *link) send(target *outlet, line []byte) {
	wasOpen := !target.isClosed()
	if !target.send(event{data: line}, l.patience()) && wasOpen {
		target.giveUp(&l.counters.slow)
	}
}

func (l *link) broadcast(message rpc.Message) {
	line := message.Encode()
	l.mu.Lock()
	var targets []*outlet
	for s := range l.sessions {
		if target := s.outletFor(); target != nil {
			targets = append(targets, target)
		}
	}
	l.mu.Unlock()
	for _, target := range targets {
		l.send(target, line)
	}
}

package child

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"quarterdeck.dev/bridge/rpc"
)

// What is kept of a server's standard error for messages, and how much of it goes to the log.
const (
	tailLines  = 8
	tailBytes  = 2048
	lineBytes  = 4096
	linesASec  = 50
	shortened  = " …"
	linePrefix = "%d| %s\n"
)

// Tail takes a server's standard error: its last lines are kept, and all are passed to the log up to a rate.
type Tail struct {
	mu    sync.Mutex
	lines []string
}

// Lines returns the last lines.
func (t *Tail) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.lines...)
}

func (t *Tail) keep(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line[max(0, len(line)-tailBytes):])
	size := 0
	for from := len(t.lines) - 1; from >= 0; from-- {
		size += len(t.lines[from])
		if size > tailBytes || len(t.lines)-from > tailLines {
			t.lines = append([]string(nil), t.lines[from+1:]...)
			return
		}
	}
}

// read takes everything until the end, writing lines to the log under the process's number.
func (t *Tail) read(from io.Reader, log io.Writer, pid int) {
	lines := rpc.NewLines(from, lineBytes)
	budget := rate{perSecond: linesASec}
	for {
		line, err := lines.Next()
		if err != nil {
			return
		}
		text := strings.ToValidUTF8(string(line.Data), "�")
		if line.Data == nil {
			text = strings.ToValidUTF8(string(line.Head), "�") + shortened
		}
		if text == "" {
			continue
		}
		t.keep(text)
		if dropped, spent := budget.take(time.Now()); !spent {
			if dropped > 0 {
				fmt.Fprintf(log, linePrefix, pid, fmt.Sprintf("(%d lines left out)", dropped))
			}
			fmt.Fprintf(log, linePrefix, pid, text)
		}
	}
}

// rate lets so many things a second pass and counts what it held back.
type rate struct {
	perSecond int
	second    int64
	passed    int
	dropped   int
}

// take returns how many were held back before this one, and whether this one is held back too.
func (r *rate) take(now time.Time) (dropped int, spent bool) {
	if second := now.Unix(); second != r.second {
		r.second, r.passed = second, 0
	}
	if r.passed >= r.perSecond {
		r.dropped++
		return 0, true
	}
	r.passed++
	dropped, r.dropped = r.dropped, 0
	return dropped, false
}

package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// tag is the variable by which everything that a server started is found again, whatever session or group it
// has put itself into.
const tag = "QD_BRIDGE_CHILD"

// lastWords is how long the pipes of a server that has ended are read on.
const lastWords = time.Second

// ErrGone is what writing to a server that has ended gives.
var ErrGone = errors.New("the tool server has ended")

// Spec says what to start. Path is the program's file, Arguments begin with its name.
type Spec struct {
	Path        string
	Arguments   []string
	Environment []string
	Directory   string
	Log         io.Writer
	Memory      *Memory
}

// Child is a running server.
type Child struct {
	Pid     int
	Stdout  *os.File
	Started time.Time

	name   string
	stdin  *os.File
	tail   Tail
	input  chan []byte
	gone   chan struct{}
	exited chan struct{}
	asked  chan struct{}
	exit   Exit
}

// Start starts a server. Its standard error is taken care of; its output is the caller's to read.
func Start(spec Spec, reaper *Reaper) (*Child, error) {
	pipes, err := openPipes()
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%s=%d.%d", tag, os.Getpid(), time.Now().UnixNano())
	pid, status, err := reaper.start(func() (int, error) {
		return syscall.ForkExec(spec.Path, spec.Arguments, &syscall.ProcAttr{
			Dir: spec.Directory, Env: append(clean(spec.Environment), name), Files: pipes.theirs(),
			Sys: &syscall.SysProcAttr{Setpgid: true},
		})
	})
	pipes.closeTheirs()
	if err != nil {
		pipes.closeOurs()
		return nil, fmt.Errorf("cannot start %s: %w", spec.Path, err)
	}
	child := &Child{
		Pid: pid, Stdout: pipes.stdout, Started: time.Now(), name: name, stdin: pipes.stdin,
		input: make(chan []byte), gone: make(chan struct{}), exited: make(chan struct{}), asked: make(chan struct{}),
	}
	go child.write()
	go child.watch(status, pipes.stderr, spec)
	return child, nil
}

// clean takes out the tag that a bridge under a bridge would pass on.
func clean(environment []string) []string {
	kept := make([]string, 0, len(environment)+1)
	for _, variable := range environment {
		if !strings.HasPrefix(variable, tag+"=") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// Send writes a line to the server. It waits while the server does not read, until the context ends: a line
// whose writing has begun is finished all the same.
func (c *Child) Send(ctx context.Context, line []byte) error {
	select {
	case c.input <- append(line, '\n'):
		return nil
	case <-c.gone:
		return ErrGone
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Child) write() {
	defer c.stdin.Close()
	for {
		select {
		case line := <-c.input:
			if _, err := c.stdin.Write(line); err != nil {
				return
			}
		case <-c.asked:
			return
		case <-c.gone:
			return
		}
	}
}

// watch waits for the server's end and describes it.
func (c *Child) watch(status <-chan syscall.WaitStatus, stderr *os.File, spec Spec) {
	said := make(chan struct{})
	go func() {
		c.tail.read(stderr, spec.Log, c.Pid)
		close(said)
	}()
	c.exit = describe(c.Pid, <-status)
	close(c.gone)
	c.exit.OOMKilled = c.exit.Code == 128+int(syscall.SIGKILL) && spec.Memory.Claim()
	if c.exit.OOMKilled {
		c.exit.Limit = spec.Memory.Limit()
	}
	killTagged(c.name, syscall.SIGKILL)
	_ = c.Stdout.SetReadDeadline(time.Now().Add(lastWords))
	_ = stderr.SetReadDeadline(time.Now().Add(lastWords))
	<-said
	_ = stderr.Close()
	c.exit.Stderr = c.tail.Lines()
	select {
	case <-c.asked:
		c.exit.Asked = true
	default:
	}
	close(c.exited)
}

// Exited is closed when the server has ended and how is known.
func (c *Child) Exited() <-chan struct{} { return c.exited }

// Exit says how it ended. Valid once Exited is closed.
func (c *Child) Exit() Exit { return c.exit }

// Stop ends the server: its input is closed, after eof it gets SIGTERM, after term more SIGKILL. Returns when
// it has ended. May be called once.
func (c *Child) Stop(eof, term time.Duration) {
	close(c.asked)
	// A server that does not read would otherwise hold the writer.
	_ = c.stdin.SetWriteDeadline(time.Now().Add(eof))
	if c.within(eof) {
		return
	}
	_ = syscall.Kill(-c.Pid, syscall.SIGTERM)
	if c.within(term) {
		return
	}
	c.Kill()
	<-c.exited
}

// Kill ends the server and all that it started at once, without waiting for it.
func (c *Child) Kill() {
	_ = syscall.Kill(-c.Pid, syscall.SIGKILL)
	killTagged(c.name, syscall.SIGKILL)
}

func (c *Child) within(wait time.Duration) bool {
	select {
	case <-c.exited:
		return true
	case <-time.After(wait):
		return false
	}
}

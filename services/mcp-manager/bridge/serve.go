package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"quarterdeck.dev/bridge/child"
	"quarterdeck.dev/bridge/serve"
)

const (
	headerTimeout = 10 * time.Second
	closeTimeout  = 2 * time.Second
	// terminationLog is where the kubelet looks for a container's last words.
	terminationLog = "/dev/termination-log"
)

// options are the flags of serve.
type options struct {
	listen, management string
	config             serve.Config
	check              bool
}

func parse(arguments []string) (options, error) {
	var o options
	var isolation string
	c := &o.config
	flags := flag.NewFlagSet("bridge serve", flag.ContinueOnError)
	flags.StringVar(&o.listen, "listen", ":8700", "address of the MCP endpoint")
	flags.StringVar(&o.management, "management", ":8701", "address of /livez, /readyz, /status and /metrics; empty: none")
	flags.BoolVar(&o.check, "check", true, "be ready only after the server has answered once")
	flags.StringVar(&isolation, "isolation", "session", "session: a process for each; shared: one for all")
	flags.StringVar(&c.Directory, "directory", "", "working directory of the server")
	flags.StringVar(&c.Scratch, "scratch", "", "folder in which each process gets a HOME and a TMPDIR of its own")
	flags.IntVar(&c.MaxMessage, "max-message", 16<<20, "largest message in bytes")
	flags.IntVar(&c.MaxSessions, "max-sessions", 64, "most sessions at once")
	flags.IntVar(&c.MaxRequests, "max-requests", 256, "most requests under way in one process")
	flags.DurationVar(&c.Idle, "idle", 30*time.Minute, "end sessions that were not used for so long")
	flags.DurationVar(&c.ClientTimeout, "client-timeout", 30*time.Second, "give up clients that take or send nothing for so long")
	flags.DurationVar(&c.StartTimeout, "start-timeout", 30*time.Second, "how long the server may take to answer its first request")
	flags.DurationVar(&c.DrainGrace, "drain", 25*time.Second, "how long requests may go on after SIGTERM")
	flags.DurationVar(&c.EOFGrace, "eof-grace", time.Second, "from closing a server's input to SIGTERM")
	flags.DurationVar(&c.TermGrace, "term-grace", 2*time.Second, "from SIGTERM to SIGKILL")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	c.Shared = isolation == "shared"
	c.Arguments, c.Environment, c.Log, c.Version = flags.Args(), os.Environ(), os.Stderr, version
	return o, sensible(o, isolation)
}

func sensible(o options, isolation string) error {
	c := o.config
	switch {
	case isolation != "session" && isolation != "shared":
		return fmt.Errorf("-isolation: %q is neither session nor shared", isolation)
	case len(c.Arguments) == 0:
		return errors.New("the server's command is missing; write it after --")
	case c.MaxMessage < 1024 || c.MaxSessions < 1 || c.MaxRequests < 1:
		return errors.New("-max-message must be at least 1024, -max-sessions and -max-requests at least 1")
	case c.Idle <= 0 || c.ClientTimeout <= 0 || c.StartTimeout <= 0:
		return errors.New("-idle, -client-timeout and -start-timeout must be more than nothing")
	}
	return nil
}

func serveCommand(arguments []string) int {
	o, err := parse(arguments)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return die(misused, err)
	}
	if o.config.Path, err = exec.LookPath(o.config.Arguments[0]); err != nil {
		return die(cannotStart, fmt.Errorf("the image has no such command: %w", err))
	}
	main, err := net.Listen("tcp", o.listen)
	if err != nil {
		return die(failed, err)
	}
	hub := serve.NewHub(o.config, child.NewReaper(), child.FindMemory())
	servers := []*http.Server{start(main, endpoint(hub), o.config)}
	if o.management != "" {
		second, err := net.Listen("tcp", o.management)
		if err != nil {
			return die(failed, err)
		}
		servers = append(servers, start(second, hub.Management(), o.config))
		fmt.Fprintf(os.Stderr, "bridge: management at http://%s\n", second.Addr())
	}
	fmt.Fprintf(os.Stderr, "bridge: serving %s at http://%s/mcp\n", o.config.Arguments[0], main.Addr())
	live(hub, o)
	for _, server := range servers {
		shut(server)
	}
	return 0
}

func endpoint(hub *serve.Hub) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/mcp", hub)
	mux.HandleFunc("GET /readyz", hub.Readyz)
	return mux
}

func start(listener net.Listener, handler http.Handler, config serve.Config) *http.Server {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: config.Idle, MaxHeaderBytes: 64 << 10,
	}
	go func() { _ = server.Serve(listener) }()
	return server
}

// live runs the hub until a signal, and lets what is under way finish. A second signal is not waited for.
func live(hub *serve.Hub, o options) {
	background, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go hub.Tidy(background)
	if o.check {
		go hub.Check(background)
	} else {
		hub.Trust()
	}
	<-signals
	fmt.Fprintln(os.Stderr, "bridge: shutting down")
	drained := make(chan struct{})
	go func() {
		hub.Drain()
		close(drained)
	}()
	select {
	case <-drained:
	case <-signals:
		hub.Abandon()
	}
}

// shut lets the last answers go out.
func shut(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close()
	}
}

// die says why the program cannot go on, also to the kubelet.
func die(status int, err error) int {
	message := fmt.Sprintf("bridge: %v\n", err)
	fmt.Fprint(os.Stderr, message)
	if os.Getpid() == 1 {
		_ = os.WriteFile(terminationLog, []byte(message), 0o644)
	}
	return status
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"quarterdeck.dev/bridge/probe"
)

// probeCommand is an exec probe: a kubelet cannot POST. One line on standard output says why it fails.
func probeCommand(arguments []string) int {
	header := http.Header{}
	flags := flag.NewFlagSet("bridge probe", flag.ContinueOnError)
	timeout := flags.Duration("timeout", 5*time.Second, "how long it may take in all")
	flags.Func("header", "NAME=VALUE, sent with every request; $NAME as value is taken from the environment", func(text string) error {
		name, value, found := strings.Cut(text, "=")
		if !found {
			return errors.New("must be NAME=VALUE")
		}
		header.Set(name, os.Expand(value, os.Getenv))
		return nil
	})
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return misused
	}
	address, err := url.Parse(flags.Arg(0))
	if flags.NArg() != 1 || err != nil || address.Host == "" {
		fmt.Fprint(os.Stderr, usage)
		return misused
	}
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	if err := look(ctx, address, header, *timeout); err != nil {
		fmt.Printf("not ready: %s\n", reason(err, *timeout))
		return failed
	}
	return 0
}

// look asks the bridge's own readiness by its path, anything else as an MCP server.
func look(ctx context.Context, address *url.URL, header http.Header, timeout time.Duration) error {
	client := &http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true}}
	if address.Path == "/readyz" || address.Path == "/livez" {
		return get(ctx, client, address.String())
	}
	server := &probe.Server{URL: address.String(), Header: header, Client: client}
	return server.Probe(ctx)
}

func get(ctx context.Context, client *http.Client, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		said := make([]byte, 1024)
		read, _ := response.Body.Read(said)
		return fmt.Errorf("%d: %s", response.StatusCode, strings.TrimSpace(string(said[:read])))
	}
	return nil
}

// reason puts an error in one line, without the address's query and user, which may be secret.
func reason(err error, timeout time.Duration) string {
	var failure *url.Error
	if errors.As(err, &failure) {
		if failure.Timeout() {
			return fmt.Sprintf("no answer within %s", timeout)
		}
		err = failure.Err
	}
	var network *net.OpError
	if errors.As(err, &network) {
		err = network
	}
	return strings.ReplaceAll(err.Error(), "\n", " ")
}

package child

import (
	"fmt"
	"strings"
	"syscall"
	"time"
)

// Exit says how a server ended. It is part of the error that calls in flight get.
type Exit struct {
	Pid       int       `json:"pid"`
	Code      int       `json:"exitCode"`
	Signal    string    `json:"signal,omitempty"`
	OOMKilled bool      `json:"oomKilled,omitempty"`
	Limit     int64     `json:"memoryLimitBytes,omitempty"`
	Stderr    []string  `json:"stderr,omitempty"`
	At        time.Time `json:"at"`
	// Asked tells that the bridge ended it.
	Asked bool `json:"asked,omitempty"`
}

func describe(pid int, status syscall.WaitStatus) Exit {
	exit := Exit{Pid: pid, Code: status.ExitStatus(), At: time.Now()}
	if status.Signaled() {
		exit.Code = 128 + int(status.Signal())
		exit.Signal = signalName(status.Signal())
	}
	return exit
}

// String says it in one line.
func (e Exit) String() string {
	how := fmt.Sprintf("ended with exit status %d", e.Code)
	if e.Signal != "" {
		how = "was killed by " + e.Signal
	}
	if e.Asked {
		how = "was stopped by its bridge"
	}
	if e.OOMKilled {
		how += " because it ran out of memory"
		if e.Limit > 0 {
			how += fmt.Sprintf(" (the limit is %d MiB)", e.Limit>>20)
		}
	}
	if said := strings.Join(e.Stderr, " / "); said != "" {
		how += "; it wrote: " + said
	}
	return how
}

var names = map[syscall.Signal]string{
	syscall.SIGABRT: "SIGABRT", syscall.SIGBUS: "SIGBUS", syscall.SIGFPE: "SIGFPE", syscall.SIGHUP: "SIGHUP",
	syscall.SIGILL: "SIGILL", syscall.SIGINT: "SIGINT", syscall.SIGKILL: "SIGKILL", syscall.SIGPIPE: "SIGPIPE",
	syscall.SIGQUIT: "SIGQUIT", syscall.SIGSEGV: "SIGSEGV", syscall.SIGSYS: "SIGSYS", syscall.SIGTERM: "SIGTERM",
	syscall.SIGTRAP: "SIGTRAP", syscall.SIGXCPU: "SIGXCPU", syscall.SIGXFSZ: "SIGXFSZ",
}

func signalName(signal syscall.Signal) string {
	if name, known := names[signal]; known {
		return name
	}
	return fmt.Sprintf("signal %d", int(signal))
}

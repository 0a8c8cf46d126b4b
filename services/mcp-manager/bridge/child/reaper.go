// Package child runs tool servers as child processes, and says how they ended.
package child

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

const prSetChildSubreaper = 36

// Reaper collects every process that ends below this one: the servers, whose status somebody waits for, and
// orphans that were left to it, as to any process with id 1.
//
// It is the only place that waits for processes, so nothing in a program with a Reaper may use os/exec.
type Reaper struct {
	mu      sync.Mutex
	waiting map[int]chan syscall.WaitStatus
}

// NewReaper makes this process adopt orphans and starts collecting.
func NewReaper() *Reaper {
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
	reaper := &Reaper{waiting: map[int]chan syscall.WaitStatus{}}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			reaper.collect()
		}
	}()
	return reaper
}

// start runs a function that forks and returns where the new process's status will arrive.
func (r *Reaper) start(fork func() (int, error)) (int, <-chan syscall.WaitStatus, error) {
	// Held while forking: the process may have ended before its id is known here.
	r.mu.Lock()
	defer r.mu.Unlock()
	pid, err := fork()
	if err != nil {
		return 0, nil, err
	}
	status := make(chan syscall.WaitStatus, 1)
	r.waiting[pid] = status
	return pid, status, nil
}

func (r *Reaper) collect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if waiting, ours := r.waiting[pid]; ours {
			delete(r.waiting, pid)
			waiting <- status
		}
	}
}

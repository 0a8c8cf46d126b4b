package child

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// Memory reads the counters of the memory cgroup that this process is in, of either version.
//
// Version 1 kills one process only when memory runs out, so the container lives on and nothing but its counter
// tells; with version 2 the kubelet has the whole container killed unless told otherwise.
type Memory struct {
	events string
	limit  string

	mu      sync.Mutex
	claimed int64
}

// FindMemory finds the cgroup's files; a Memory without them counts nothing.
func FindMemory() *Memory {
	found := findFiles()
	found.claimed = found.Kills()
	return found
}

// Claim tells whether a process that was just killed was killed for lack of memory: whether the counter has
// risen since the last such process.
func (m *Memory) Claim() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Kills() <= m.claimed {
		return false
	}
	m.claimed++
	return true
}

func findFiles() *Memory {
	for _, directory := range memoryDirectories() {
		for _, names := range [][2]string{{"memory.oom_control", "memory.limit_in_bytes"}, {"memory.events", "memory.max"}} {
			events := filepath.Join(directory, names[0])
			if _, err := os.Stat(events); err == nil {
				return &Memory{events: events, limit: filepath.Join(directory, names[1])}
			}
		}
	}
	return &Memory{}
}

// memoryDirectories returns where the files may be. A container sees its own cgroup as the root, under
// whatever path the node calls it.
func memoryDirectories() []string {
	var found []string
	data, _ := os.ReadFile("/proc/self/cgroup")
	for _, row := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		parts := strings.SplitN(row, ":", 3)
		if len(parts) != 3 {
			continue
		}
		if parts[1] == "memory" {
			found = append(found, filepath.Join("/sys/fs/cgroup/memory", parts[2]), "/sys/fs/cgroup/memory")
		} else if parts[0] == "0" {
			found = append(found, filepath.Join("/sys/fs/cgroup", parts[2]), "/sys/fs/cgroup")
		}
	}
	return found
}

// Kills returns how many processes were killed for lack of memory so far.
func (m *Memory) Kills() int64 {
	file, err := os.Open(m.events)
	if err != nil {
		return 0
	}
	defer file.Close()
	rows := bufio.NewScanner(file)
	for rows.Scan() {
		if name, value, found := strings.Cut(rows.Text(), " "); found && name == "oom_kill" {
			kills, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return kills
		}
	}
	return 0
}

// Limit returns the most memory that the container may use in bytes, 0 if it is not limited.
func (m *Memory) Limit() int64 {
	data, err := os.ReadFile(m.limit)
	if err != nil {
		return 0
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil || limit >= 1<<60 {
		return 0
	}
	return limit
}

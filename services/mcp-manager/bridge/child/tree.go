package child

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// killTagged signals every process whose environment holds the variable: what a server started and left.
func killTagged(variable string, signal syscall.Signal) {
	wanted := []byte(variable)
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		environment, err := os.ReadFile("/proc/" + entry.Name() + "/environ")
		if err != nil {
			continue
		}
		for _, one := range bytes.Split(environment, []byte{0}) {
			if bytes.Equal(one, wanted) {
				_ = syscall.Kill(pid, signal)
				break
			}
		}
	}
}

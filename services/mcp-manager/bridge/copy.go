package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// copyCommand copies this program. The image that it comes from may have no shell and no cp.
func copyCommand(arguments []string) int {
	if len(arguments) != 1 {
		fmt.Fprint(os.Stderr, usage)
		return misused
	}
	source, err := os.Executable()
	if err == nil {
		err = copyProgram(source, arguments[0])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bridge: cannot copy: %v\n", err)
		return failed
	}
	return 0
}

// copyProgram puts a copy at a path in one step: whoever finds the file finds all of it. A folder as destination
// gets it under its own name.
func copyProgram(source, destination string) (err error) {
	if about, err := os.Stat(destination); err == nil && about.IsDir() {
		destination = filepath.Join(destination, filepath.Base(source))
	}
	from, err := os.Open(source)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.CreateTemp(filepath.Dir(destination), ".bridge-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(to.Name())
		}
	}()
	// Not synced: the volume lives as long as the pod, and a node that starts anew has it copied again.
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Chmod(0o755), to.Close()); err != nil {
		return err
	}
	return os.Rename(to.Name(), destination)
}

package child

import (
	"os"
	"syscall"
)

// pipes are the three pipes of a server: our ends wait in the poller, its own ends block as programs expect.
type pipes struct {
	stdin, stdout, stderr *os.File
	descriptors           [3]int
}

func openPipes() (*pipes, error) {
	made := &pipes{descriptors: [3]int{-1, -1, -1}}
	for at, slot := range []**os.File{&made.stdin, &made.stdout, &made.stderr} {
		var ends [2]int
		if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
			made.closeTheirs()
			made.closeOurs()
			return nil, os.NewSyscallError("pipe2", err)
		}
		ours, theirs := ends[0], ends[1]
		if at == 0 {
			ours, theirs = ends[1], ends[0]
		}
		_ = syscall.SetNonblock(ours, true)
		*slot = os.NewFile(uintptr(ours), "pipe")
		made.descriptors[at] = theirs
	}
	return made, nil
}

func (p *pipes) theirs() []uintptr {
	return []uintptr{uintptr(p.descriptors[0]), uintptr(p.descriptors[1]), uintptr(p.descriptors[2])}
}

func (p *pipes) closeTheirs() {
	for _, descriptor := range p.descriptors {
		if descriptor >= 0 {
			_ = syscall.Close(descriptor)
		}
	}
}

func (p *pipes) closeOurs() {
	for _, file := range []*os.File{p.stdin, p.stdout, p.stderr} {
		if file != nil {
			_ = file.Close()
		}
	}
}

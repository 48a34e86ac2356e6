package octomesh

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// forgetStartup gives back the pages of the program file that starting has
// touched, and those that the kernel has mapped around them: of 40 MB of code and
// constants a server at work needs a few. They stay in the kernel's cache, and
// come back when they are needed.
func forgetStartup() {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for line := range bytes.Lines(maps) {
		// address perms offset dev inode path (proc_pid_maps(5))
		f := bytes.Fields(line)
		if len(f) < 6 || string(f[5]) != self || bytes.IndexByte(f[1], 'w') >= 0 {
			continue // what was written is nowhere else
		}
		from, to, _ := bytes.Cut(f[0], []byte("-"))
		start, err := strconv.ParseUint(string(from), 16, 64)
		if err != nil {
			return
		}
		end, err := strconv.ParseUint(string(to), 16, 64)
		if err != nil {
			return
		}
		// A refusal leaves things as they were.
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, uintptr(start), uintptr(end-start), syscall.MADV_DONTNEED)
	}
}

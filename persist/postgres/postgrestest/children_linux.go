package postgrestest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// killChildren ends every process that p has started with SIGKILL. It stops p first, so that p starts no others meanwhile.
func killChildren(p *os.Process) {
	if p.Signal(syscall.SIGSTOP) != nil {
		return
	}
	list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", p.Pid)) // a kernel without it has p alone killed
	for field := range strings.FieldsSeq(string(list)) {
		if pid, err := strconv.Atoi(field); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

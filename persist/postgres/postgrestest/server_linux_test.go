package postgrestest

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// A process that outlives the kill could still answer a COMMIT.
func TestKillEndsEveryProcessOfTheServer(t *testing.T) {
	s, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	pid := s.cmd.Process.Pid
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if err != nil {
		t.Skipf("the kernel does not list the children of a process: %v", err)
	}
	children := strings.Fields(string(list))
	if len(children) < 4 {
		t.Fatalf("the server has only the processes %v", children)
	}
	s.Kill()
	for _, child := range children {
		for end := time.Now().Add(2 * time.Second); runs(child); {
			if time.Now().After(end) {
				t.Fatalf("process %s still runs", child)
			}
		}
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
}

// runs reports whether a process exists and is not a zombie.
func runs(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return !bytes.HasPrefix(state, []byte("Z"))
}

//go:build unix

package coherence

import (
	"bufio"
	"encoding/json"
	"io"
	"math"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sessile/sessile/persist/postgres/postgrestest"
)

const environment = "SESSILE_COHERENCE_NODE"

// node is a node as the parent sees it: its process, and the proxies before its connections.
type node struct {
	settings   settings
	feed, pool *postgrestest.Proxy
	epoch      time.Time // zero of the parent's clock

	mu      sync.Mutex
	program *program
}

// newNode starts a node. It ends with the test.
func newNode(t *testing.T, schema string, f fault, epoch time.Time) *node {
	t.Helper()
	n := &node{settings: settings{Schema: schema, Fault: f}, epoch: epoch}
	n.feed, n.settings.FeedURL = through(t)
	n.pool, n.settings.URL = through(t)
	if err := n.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.current().stop(); err != nil {
			t.Errorf("a node does not close its store: %v", err)
		}
	})
	return n
}

// through starts a proxy before the server, and returns the URL that leads through it.
func through(t *testing.T) (*postgrestest.Proxy, string) {
	t.Helper()
	u, err := url.Parse(shared.URL())
	if err != nil {
		t.Fatal(err)
	}
	p, err := postgrestest.NewProxy(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	u.Host = p.Addr()
	return p, u.String()
}

func (n *node) current() *program {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.program
}

// call makes a call, and returns when the node has answered or has ended.
func (n *node) call(q request) answer { return n.current().call(q) }

// start starts the process of the node.
func (n *node) start() error {
	p, err := newProgram(n.settings, n.epoch)
	if err != nil {
		return err
	}
	for range 100 { // what the parent knows of its clock becomes precise
		p.call(request{Verb: ping})
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.program = p
	return nil
}

// restart kills the process, and starts another after a while.
func (n *node) restart(after time.Duration) error {
	p := n.current()
	_ = p.cmd.Process.Kill()
	<-p.ended
	<-time.After(after)
	return n.start()
}

// answer is a reply, and when the call took place by the parent's clock: it began no earlier and ended no later.
type answer struct {
	reply
	began, ended time.Duration
}

// program is one process of a node.
type program struct {
	cmd   *exec.Cmd
	in    io.Closer
	epoch time.Time
	ended chan struct{}
	err   error // set before ended is closed

	mu      sync.Mutex
	out     *json.Encoder
	number  int64
	waiting map[int64]chan reply

	// The parent's clock less the program's. Both are the system's monotonic clock, so the difference is fixed. Each call
	// bounds it, because it began after the request and ended before the reply.
	least, most time.Duration
}

func newProgram(s settings, epoch time.Time) (*program, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	p := &program{
		cmd: exec.Command(os.Args[0]), epoch: epoch, ended: make(chan struct{}), waiting: make(map[int64]chan reply),
		least: math.MinInt64, most: math.MaxInt64,
	}
	p.cmd.Env = append(os.Environ(), environment+"="+string(text), "GORACE=atexit_sleep_ms=0")
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.in, p.out = in, json.NewEncoder(in)
	go p.listen(out)
	return p, nil
}

// listen hands replies to their callers until the process ends.
func (p *program) listen(out io.Reader) {
	replies := json.NewDecoder(bufio.NewReader(out))
	for {
		var r reply
		if replies.Decode(&r) != nil {
			break
		}
		p.mu.Lock()
		p.waiting[r.Number] <- r
		delete(p.waiting, r.Number)
		p.mu.Unlock()
	}
	p.err = p.cmd.Wait()
	close(p.ended)
}

// call makes a call. The outcome is failed if the process ends.
func (p *program) call(q request) answer {
	c := make(chan reply, 1)
	p.mu.Lock()
	p.number++
	q.Number = p.number
	p.waiting[q.Number] = c
	sent := time.Since(p.epoch)
	_ = p.out.Encode(&q) // it fails if the process has ended
	p.mu.Unlock()
	select {
	case r := <-c:
		return p.place(r, sent, time.Since(p.epoch))
	case <-p.ended:
		return answer{reply: reply{Outcome: failed}}
	}
}

// place finds out when a call took place.
func (p *program) place(r reply, sent, received time.Duration) answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.least = max(p.least, sent-time.Duration(r.Began))
	p.most = min(p.most, received-time.Duration(r.Ended))
	return answer{r, time.Duration(r.Began) + p.least, time.Duration(r.Ended) + p.most}
}

// signal sends a signal to the process.
func (p *program) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// stop has the process close its store and end.
func (p *program) stop() error {
	p.signal(syscall.SIGCONT)
	_ = p.in.Close()
	timer := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	<-p.ended
	return p.err
}

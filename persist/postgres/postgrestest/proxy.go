package postgrestest

import (
	"bytes"
	"context"
	"net"
	"sync"
)

// Proxy passes connections on to a server, until it is told otherwise.
type Proxy struct {
	listener net.Listener
	running  sync.WaitGroup
	mu       sync.Mutex
	to       string
	links    map[*link]bool
	stalled  chan struct{} // closed when a stall ends; nil while there is none
	down     bool          // new connections are closed at once
	trap     *trap
}

// trap freezes the next connection whose client sends a text.
type trap struct {
	text    []byte
	forward bool // the server gets the text, and its answer is lost
}

// link is a pair of connections. Once it is frozen no byte passes, and nothing is closed.
type link struct {
	client, server net.Conn
	frozen         chan struct{}
	freeze         sync.Once
	ended          chan struct{}
	end            sync.Once
}

// NewProxy listens on a free port of 127.0.0.1.
func NewProxy(to string) (*Proxy, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{to: to, listener: l, links: make(map[*link]bool)}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// URL leads through the proxy to the database postgres.
func (p *Proxy) URL() string { return URL(p.Addr()) }

// Point has new connections lead to another address. Those that exist stay where they are.
func (p *Proxy) Point(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
}

func (p *Proxy) target() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.to
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).Dial("tcp", p.target())
		if err != nil {
			_ = client.Close()
			continue
		}
		l := &link{client: client, server: server, frozen: make(chan struct{}), ended: make(chan struct{})}
		if !p.add(l) {
			p.close(l)
			continue
		}
		p.running.Go(func() { p.pass(l, l.server, l.client) })
		p.running.Go(func() { p.pass(l, l.client, l.server) })
	}
}

// add reports whether l may pass bytes.
func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links[l] = !p.down
	return !p.down
}

// pass copies bytes one way until the link ends.
func (p *Proxy) pass(l *link, to, from net.Conn) {
	defer p.close(l)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err == nil {
			p.wait(l)
		}
		forward := from == l.client && p.sprung(l, buf[:n])
		select {
		case <-l.frozen:
			if forward {
				_, _ = to.Write(buf[:n])
			}
			<-l.ended
			return
		default:
		}
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// sprung freezes l if its client has sent the text of the trap, and reports whether the server gets it.
func (p *Proxy) sprung(l *link, request []byte) (forward bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.trap
	if t == nil || !bytes.Contains(request, t.text) {
		return false
	}
	p.trap = nil
	l.freeze.Do(func() { close(l.frozen) })
	return t.forward
}

// FreezeAt freezes the next connection whose client sends text. With forward the server gets what was sent, and only its
// answer is lost.
func (p *Proxy) FreezeAt(text string, forward bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trap = &trap{[]byte(text), forward}
}

// wait holds bytes back while the proxy is stalled.
func (p *Proxy) wait(l *link) {
	p.mu.Lock()
	stalled := p.stalled
	p.mu.Unlock()
	if stalled == nil {
		return
	}
	select {
	case <-stalled:
	case <-l.ended:
	}
}

func (p *Proxy) close(l *link) {
	l.end.Do(func() {
		close(l.ended)
		_ = l.client.Close()
		_ = l.server.Close()
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	})
}

func (p *Proxy) all() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	var l []*link
	for x := range p.links {
		l = append(l, x)
	}
	return l
}

// Cut closes every connection that there is.
func (p *Proxy) Cut() {
	for _, l := range p.all() {
		p.close(l)
	}
}

// Down closes every connection that there is, and new ones at once, until the function that it returns is called.
func (p *Proxy) Down() (up func()) {
	set := func(down bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.down = down
	}
	set(true)
	p.Cut()
	return func() { set(false) }
}

// Freeze lets nothing more pass on the connections that there are, and does not close them. New ones work.
func (p *Proxy) Freeze() {
	for _, l := range p.all() {
		l.freeze.Do(func() { close(l.frozen) })
	}
}

// Stall holds back every byte until the function that it returns is called.
func (p *Proxy) Stall() (resume func()) {
	stalled := make(chan struct{})
	p.mu.Lock()
	p.stalled = stalled
	p.mu.Unlock()
	return sync.OnceFunc(func() {
		p.mu.Lock()
		p.stalled = nil
		p.mu.Unlock()
		close(stalled)
	})
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.Cut()
	p.running.Wait()
}

package middleware_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// enter begins one call.
func (y *toy) enter(r *http.Request) (v *visit, leave func()) {
	y.mu.Lock()
	v = y.visit(r)
	v.vary = true
	return v, y.mu.Unlock
}

func (y *toy) user(r *http.Request) string {
	varied := y.visit(r).vary
	v, leave := y.enter(r)
	defer leave()
	v.vary = varied || !y.noVary
	if v.row == nil {
		return ""
	}
	if y.trustsHalfLogin {
		return cmp.Or(v.row.user, v.row.data["pending"])
	}
	return v.row.user
}

func (y *toy) login(r *http.Request, user string) error {
	v, leave := y.enter(r)
	defer leave()
	if v.row != nil && y.keepsToken {
		v.row.user, y.memory[y.key(v.token)].user = user, user
		return nil
	}
	if v.row != nil && !y.oldTokenLives {
		delete(y.memory, y.key(v.token))
		delete(y.disk, y.key(v.token))
	}
	y.begin(v, user)
	most := cmp.Or(y.cfg.MaxSessionsPerUser, 10)
	for list := y.of(user); most > 0 && len(list) > most && !y.uncapped; list = list[1:] {
		y.end(func(r *row) bool { return r == list[0] })
	}
	return nil
}

// begin gives a visit a new session.
func (y *toy) begin(v *visit, user string) {
	v.token, v.row, v.reply = y.mint(), y.blank(), send
	v.row.user = user
	y.put(v.token, v.row.clone())
}

// blank returns a row without a user.
func (y *toy) blank() *row {
	y.made++
	now := time.Now()
	return &row{id: fmt.Sprintf("id%05d", y.made), data: map[string]string{}, created: now, expires: now.Add(y.cfg.TTL)}
}

// of returns a user's sessions, the oldest first.
func (y *toy) of(user string) []*row {
	var list []*row
	for _, r := range y.memory {
		if r.user == user {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *row) int { return cmp.Compare(a.id, b.id) })
	return list
}

func (y *toy) logout(r *http.Request) error {
	v, leave := y.enter(r)
	defer leave()
	if y.endsForeign {
		claimed := r.Header.Values("Cookie")
		y.end(func(r *row) bool {
			return slices.ContainsFunc(claimed, func(c string) bool { return strings.Contains(c, r.id) })
		})
	}
	if v.row == nil {
		return nil
	}
	id := v.row.id
	v.row, v.reply = nil, remove
	if y.listenerFirst && !y.tell() {
		return errors.New("the listener failed")
	}
	if !y.clientOnlyLogout {
		y.end(func(r *row) bool { return r.id == id })
	}
	y.tell()
	return nil
}

// tell calls the listener and reports whether it returned.
func (y *toy) tell() (ok bool) {
	defer func() { ok = recover() == nil }()
	if y.hears != nil {
		y.hears()
	}
	return true
}

func (y *toy) logoutOthers(r *http.Request) error {
	v, leave := y.enter(r)
	defer leave()
	if v.row != nil && !y.survivesPassword {
		y.end(func(r *row) bool { return r.user == v.row.user && r.id != v.row.id })
	}
	return nil
}

func (y *toy) endAll(r *http.Request, user string) error {
	_, leave := y.enter(r)
	defer leave()
	if !y.survivesLink {
		y.end(func(r *row) bool { return r.user == user })
	}
	return nil
}

func (y *toy) rotate(r *http.Request) error {
	v, leave := y.enter(r)
	defer leave()
	if v.row == nil {
		return errors.New("no session")
	}
	stored := y.memory[y.key(v.token)]
	if stored == nil {
		return errors.New("it was replaced already")
	}
	y.past[y.key(v.token)] = replacement{stored.id, time.Now()}
	if !y.oldTokenLives {
		delete(y.memory, y.key(v.token))
		delete(y.disk, y.key(v.token))
	}
	v.token, v.reply = y.mint(), send
	y.put(v.token, stored)
	return nil
}

func (y *toy) get(r *http.Request, key string) string {
	v, leave := y.enter(r)
	defer leave()
	switch {
	case v.row == nil && y.pools:
		return y.pool[key]
	case v.row == nil:
		return ""
	case y.cachesPrivileges:
		if y.seen[v.row.id] == nil {
			y.seen[v.row.id] = v.row.data
		}
		return y.seen[v.row.id][key]
	default:
		return v.row.data[key]
	}
}

func (y *toy) set(r *http.Request, key, value string) error {
	v, leave := y.enter(r)
	defer leave()
	if v.row == nil {
		y.begin(v, "")
	}
	v.changes[key], v.row.data[key] = value, value
	return nil
}

func (y *toy) devices(r *http.Request) (ids []string) {
	v, leave := y.enter(r)
	defer leave()
	if v.row == nil {
		return nil
	}
	for _, d := range y.of(v.row.user) {
		ids = append(ids, d.id)
	}
	return ids
}

func (y *toy) revoke(r *http.Request, id string) error {
	v, leave := y.enter(r)
	defer leave()
	if v.row == nil {
		return errors.New("no session")
	}
	y.end(func(r *row) bool { return r.id == id && (r.user == v.row.user || y.revokesAny) })
	return nil
}

// address trusts the proxies of 10.0.0.0/8, like the options of the test.
func (y *toy) address(r *http.Request) string {
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	if y.leftmost {
		return strings.TrimSpace(hops[0])
	}
	peer, _, _ := net.SplitHostPort(r.RemoteAddr)
	for i := len(hops) - 1; i >= 0 && strings.HasPrefix(peer, "10."); i-- {
		peer = strings.TrimSpace(hops[i])
	}
	return peer
}

func (y *toy) restart() error {
	y.memory = maps.Clone(y.disk)
	return nil
}

func (y *toy) damage()      { y.damaged = true }
func (y *toy) rows() int    { return len(y.disk) }
func (y *toy) lookups() int { return y.looked }
func (y *toy) traces() []byte {
	return []byte(fmt.Sprint(y.journal.String(), slices.Collect(maps.Keys(y.disk))))
}

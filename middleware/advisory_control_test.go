package middleware_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"path"
	"reflect"
	"strings"
	"sync"
	"time"
)

// faults are the faults of the advisories.
type faults struct {
	upserts, memoryOnlyLogout, clientOnlyLogout, listenerFirst, endsForeign                bool
	adopts, tokenInQuery, counts, keepsToken, firstCookieOnly, pathTokens, unbounded       bool
	records, opensDamaged, logsTokens, plainAtRest, noVary, insecure, keepsDead, otherPath bool
	revokesAny, uncapped, survivesPassword, survivesLink, oldTokenLives, replayIsNothing   bool
	renewsForever, cleanerOnly, trustsHalfLogin, pools, cachesPrivileges, leftmost         bool
}

// String names the faults that are set.
func (f faults) String() string {
	var names []string
	v := reflect.ValueOf(f)
	for i := range v.NumField() {
		if v.Field(i).Bool() {
			names = append(names, v.Type().Field(i).Name)
		}
	}
	return cmp.Or(strings.Join(names, ","), "none")
}

// toy is a small session library with the faults that it is given.
type toy struct {
	setting
	faults

	mu      sync.Mutex
	memory  map[string]*row // by key
	disk    map[string]*row
	past    map[string]replacement       // by key of the token before
	seen    map[string]map[string]string // data by id, as it was first read
	pool    map[string]string            // data of the request before
	journal strings.Builder
	minted  int // tokens
	made    int // rows
	looked  int
	damaged bool
}

type row struct {
	id, user         string
	data             map[string]string
	created, expires time.Time
}

// replacement describes a token that was replaced.
type replacement struct {
	id string // of its session
	at time.Time
}

func (r *row) clone() *row {
	c := *r
	c.data = maps.Clone(r.data)
	return &c
}

// visit is one request to a toy.
type visit struct {
	token   string
	row     *row // a copy
	changes map[string]string
	reply   fateOfCookie
	vary    bool
}

type fateOfCookie int

const (
	leave fateOfCookie = iota
	send
	remove
)

func newToy(o setting, f faults) *toy {
	o.cfg.TTL = cmp.Or(o.cfg.TTL, 30*day)
	o.cfg.MaxLifetime = cmp.Or(o.cfg.MaxLifetime, 90*day)
	return &toy{
		setting: o, faults: f, memory: map[string]*row{}, disk: map[string]*row{},
		past: map[string]replacement{}, seen: map[string]map[string]string{},
	}
}

func (y *toy) wrap(app func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := y.load(r)
		body := app(r.WithContext(context.WithValue(r.Context(), y, v)))
		y.save(v)
		y.headers(w.Header(), v)
		fmt.Fprint(w, body)
	})
}

func (y *toy) visit(r *http.Request) *visit { return r.Context().Value(y).(*visit) }

// mint returns a new token.
func (y *toy) mint() string {
	y.minted++
	if y.counts {
		return fmt.Sprintf("%052d", y.minted)
	}
	var raw [39]byte
	_, _ = rand.Read(raw[:])
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// key returns where a token's row is stored.
func (y *toy) key(token string) string {
	if y.pathTokens {
		token = strings.Trim(path.Clean("/" + token)[1:], `"`)
	}
	if y.plainAtRest {
		return token
	}
	h := sha256.Sum256([]byte(token))
	return string(h[:])
}

// presented returns the tokens of a request.
func (y *toy) presented(r *http.Request) []string {
	var all []string
	for _, line := range r.Header["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			if name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); name == cookieName {
				all = append(all, value)
			}
		}
	}
	if q := r.URL.Query().Get("token"); y.tokenInQuery && q != "" {
		all = append(all, q)
	}
	most := 3
	if y.firstCookieOnly {
		most = 1
	}
	if y.unbounded {
		most = len(all)
	}
	return all[:min(most, len(all))]
}

func (y *toy) load(r *http.Request) *visit {
	y.mu.Lock()
	defer y.mu.Unlock()
	v := &visit{changes: map[string]string{}}
	tokens := y.presented(r)
	for _, t := range tokens {
		if y.logsTokens {
			fmt.Fprintln(&y.journal, "session", t)
		}
		if row := y.open(t); row != nil {
			v.token, v.row = t, row.clone()
			if y.tokenInQuery {
				v.reply = send
			}
			return v
		}
	}
	if len(tokens) == 0 {
		return v
	}
	v.reply = remove
	if y.records {
		y.put(y.mint(), y.blank())
	}
	if y.adopts {
		v.reply, v.token, v.row = send, tokens[0], y.blank()
		y.put(v.token, v.row.clone())
	}
	return v
}

// open returns the active session of a token, and renews it.
func (y *toy) open(token string) *row {
	y.looked++
	r := y.memory[y.key(token)]
	now := time.Now()
	switch {
	case r == nil:
		y.replayed(token)
		return nil
	case y.damaged && !y.opensDamaged:
		return nil
	case r.expires.IsZero():
		return r
	case !now.Before(r.expires) && !y.cleanerOnly:
		return nil
	}
	last := r.created.Add(y.cfg.MaxLifetime)
	if r.expires = now.Add(y.cfg.TTL); r.expires.After(last) {
		r.expires = last
		if y.renewsForever {
			r.expires = time.Time{}
		}
	}
	return r
}

// replayed ends the session of a replaced token that comes back late.
func (y *toy) replayed(token string) {
	if p, ok := y.past[y.key(token)]; ok && time.Since(p.at) > time.Minute && !y.replayIsNothing {
		y.end(func(r *row) bool { return r.id == p.id })
	}
}

func (y *toy) put(token string, r *row) {
	y.memory[y.key(token)], y.disk[y.key(token)] = r, r
}

// end ends sessions.
func (y *toy) end(which func(*row) bool) {
	gone := func(_ string, r *row) bool { return which(r) }
	maps.DeleteFunc(y.memory, gone)
	if !y.memoryOnlyLogout {
		maps.DeleteFunc(y.disk, gone)
	}
}

// save writes what a request changed.
func (y *toy) save(v *visit) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if v.row == nil {
		return
	}
	y.pool = v.row.data
	stored := y.memory[y.key(v.token)]
	if stored == nil && y.upserts && len(v.changes) > 0 {
		stored = v.row
		y.put(v.token, stored)
	}
	if stored == nil {
		return
	}
	maps.Copy(stored.data, v.changes)
}

func (y *toy) headers(h http.Header, v *visit) {
	attributes := "; HttpOnly; Secure; SameSite=Lax"
	if y.insecure {
		attributes = "; HttpOnly; SameSite=Lax"
	}
	age := fmt.Sprintf("; Max-Age=%d", y.cfg.TTL/time.Second)
	switch {
	case v.reply == send:
		h.Add("Set-Cookie", cookieName+"="+v.token+"; Path=/"+age+attributes)
	case v.reply == remove && y.otherPath:
		h.Add("Set-Cookie", cookieName+"=; Max-Age=0")
	case v.reply == remove && !y.keepsDead:
		h.Add("Set-Cookie", cookieName+"=; Path=/; Max-Age=0"+attributes)
	}
	if v.reply != leave {
		h.Set("Cache-Control", "no-store")
	}
	if v.vary || v.reply != leave {
		h.Set("Vary", "Cookie")
	}
}

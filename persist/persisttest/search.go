package persisttest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sessile/sessile/persist"
)

func searchContract() []contract {
	return []contract{
		{"lists every session, the newest first", func(f *fixture) {
			all := f.crowd(25)
			for _, limit := range []int{1, 3, 25, persist.MaxPage} {
				f.finds(persist.Query{Limit: limit}, all...)
			}
			f.finds(persist.Query{Before: math.MaxInt64, Limit: persist.MaxPage}, all...)
			f.finds(persist.Query{Before: all[10].Key, Limit: 4}, all[:10]...)
		}},
		{"of an empty store is an empty page", func(f *fixture) { f.finds(persist.Query{Limit: 1}) }},
		{"selects by user, address and device", selectsByFilters},
		{"takes a filter literally", func(f *fixture) {
			for _, odd := range []string{"100% sure", "a_b", `back\slash`, "it's", `"quoted"`, "a*b?", "[x]", "$1", "é", "' OR 1=1 --"} {
				r := f.record("u " + odd)
				r.UserAgent, r.IPAddress = odd, odd
				f.create(r)
				f.finds(persist.Query{Device: odd, Limit: 5}, r)
				f.finds(persist.Query{IPAddress: odd, Limit: 5}, r)
				f.finds(persist.Query{User: persist.UserKey{ID: r.UserID}, Limit: 5}, r)
			}
			for _, pattern := range []string{"100_", "a%b", "___", "%%", ".*", "a?b*", "É"} {
				f.finds(persist.Query{Device: pattern, Limit: 5})
			}
		}},
		{"by a filter that no text can match finds nothing", func(f *fixture) {
			f.crowd(5)
			for _, s := range []string{"\x00", "u\x00", "\xff", "Firefox\xc3", strings.Repeat("x", 1<<20), strings.Repeat("\x00", 1<<20)} {
				f.finds(persist.Query{Device: s, Limit: 5})
				f.finds(persist.Query{IPAddress: s, Limit: 5})
				f.finds(persist.Query{User: persist.UserKey{ID: s}, Limit: 5})
			}
		}},
		{"refuses a cursor or a page size out of range", func(f *fixture) {
			f.crowd(3)
			for _, q := range []persist.Query{
				{}, {Limit: -1}, {Limit: math.MinInt}, {Limit: persist.MaxPage + 1}, {Limit: math.MaxInt},
				{Limit: 1, Before: -1}, {Limit: 1, Before: math.MinInt64},
			} {
				if p, err := f.b.Search(context.Background(), q); !errors.Is(err, persist.ErrInvalidQuery) || len(p.Records) > 0 {
					f.Errorf("%+v: %d sessions, %v", q, len(p.Records), err)
				}
			}
		}},
		{"lists once what is stored all the time, whatever begins and ends meanwhile", searchesAmongChanges},
		{"looks at a bounded number of rows", searchIsBounded},
		{"returns a bounded amount of data", func(f *fixture) {
			var all []*persist.Record
			for range 7 {
				r := f.record("ann")
				r.Data = fmt.Appendf(nil, `{"n":%q}`, strings.Repeat("x", 1<<20))
				all = append(all, f.create(r))
			}
			f.finds(persist.Query{Limit: persist.MaxPage}, all...)
		}},
		{"counts the stored sessions", func(f *fixture) {
			f.counts(0)
			all := f.crowd(10)
			f.counts(10)
			f.is(f.op(destroyOp(all[3].ID)), persist.StatusApplied)
			f.counts(9)
		}},
	}
}

// crowd creates sessions of several users and of guests, some of them expired. The oldest one
// is first.
func (f *fixture) crowd(n int) []*persist.Record {
	f.Helper()
	var all []*persist.Record
	for i := range n {
		r := f.record([]string{"ann", "bob", ""}[i%3])
		if i%4 == 0 {
			r.ExpiresAt = now - hour
		}
		all = append(all, f.create(r))
	}
	return all
}

func selectsByFilters(f *fixture) {
	with := func(user, ip, agent, device string) *persist.Record {
		r := f.record(user)
		r.IPAddress, r.UserAgent, r.DeviceName = ip, agent, device
		return f.create(r)
	}
	a := with("ann", "192.0.2.1", "Mozilla/5.0 (iPhone) Safari/604.1", "Safari on iOS")
	b := with("ann", "192.0.2.11", "Mozilla/5.0 (X11) FireFox/140.0", "Firefox on Linux")
	c := with("Ann", "192.0.2.1", "curl/8.0", "")
	g := with("", "2001:db8::1", "Ünï firefox", "")
	user := func(id string) persist.UserKey { return persist.UserKey{ID: id} }
	for _, x := range []struct {
		q    persist.Query
		want []*persist.Record
	}{
		{persist.Query{User: user("ann")}, []*persist.Record{a, b}},
		{persist.Query{User: user("an")}, nil},
		{persist.Query{IPAddress: "192.0.2.1"}, []*persist.Record{a, c}},
		{persist.Query{IPAddress: "2001:DB8::1"}, nil},
		{persist.Query{Device: "firefox"}, []*persist.Record{b, g}},
		{persist.Query{Device: "FIREFOX"}, []*persist.Record{b, g}},
		{persist.Query{Device: "safari on ios"}, []*persist.Record{a}},
		{persist.Query{Device: "ünï"}, nil}, // only ASCII letters match in either case
		{persist.Query{Device: "Ünï FIREFOX"}, []*persist.Record{g}},
		{persist.Query{User: user("ann"), IPAddress: "192.0.2.1", Device: "iphone"}, []*persist.Record{a}},
		{persist.Query{User: user("ann"), IPAddress: "192.0.2.1", Device: "x11"}, nil},
	} {
		for _, limit := range []int{1, 10} {
			x.q.Limit = limit
			f.finds(x.q, x.want...)
		}
	}
}

// searchesAmongChanges walks while sessions are created, destroyed, rotated and touched.
func searchesAmongChanges(f *fixture) {
	all := f.crowd(12)
	var keys []int64
	stays := map[int64]bool{}
	for i, r := range all {
		stays[r.Key] = i%2 == 0
	}
	q := persist.Query{Limit: 2}
	for n := 0; ; n++ {
		p := f.search(q)
		for _, r := range p.Records {
			keys = append(keys, r.Key)
		}
		if q.Before = p.Next; p.Next == 0 {
			break
		}
		if n < len(all)/2 { // one that was listed, or one that is yet to be
			f.op(destroyOp(all[2*n+1].ID))
			f.op(rotateOp(all[2*n], f.newHash()))
			f.touch(persist.Touch{Ref: all[2*n].Ref(), LastActive: now + second, ExpiresAt: now + hour})
		}
		f.create(f.record("ann"))
	}
	seen := map[int64]int{}
	for _, k := range keys {
		seen[k]++
		if _, known := stays[k]; !known || seen[k] > 1 {
			f.Errorf("key %d is listed %d times; it was there when the walk began: %t", k, seen[k], known)
		}
	}
	for k, s := range stays {
		if s && seen[k] != 1 {
			f.Errorf("a session that stays is listed %d times", seen[k])
		}
	}
}

// searchIsBounded searches for the oldest of more sessions than one call looks at.
func searchIsBounded(f *fixture) {
	first := f.record("ann")
	first.UserAgent = "needle"
	f.create(first)
	var b persist.Batch
	for range persist.MaxExamined + 1 {
		b.Ops = append(b.Ops, createOp(f.record("ann"), persist.Limit{}))
	}
	f.apply(b)
	for _, q := range []persist.Query{
		{Device: "needle", Limit: persist.MaxPage},
		{Device: "needle", User: persist.UserKey{ID: "ann"}, Limit: persist.MaxPage},
		{Device: "nothing", Limit: persist.MaxPage},
		{IPAddress: "nothing", Limit: persist.MaxPage},
	} {
		if p := f.search(q); len(p.Records) > 0 || p.Next == 0 {
			f.Errorf("%+v: the first page has %d sessions, next %d", q, len(p.Records), p.Next)
		}
	}
	f.finds(persist.Query{Device: "needle", Limit: persist.MaxPage}, first)
}

// search returns one page, whose bounds it checks.
func (f *fixture) search(q persist.Query) persist.Page {
	f.Helper()
	p, err := f.b.Search(context.Background(), q)
	if err != nil {
		f.Fatalf("Search: %v", err)
	}
	if why := pageFault(q, p); why != "" {
		f.Fatal(why)
	}
	return p
}

// pageFault returns which bound a page exceeds, or "".
func pageFault(q persist.Query, p persist.Page) string {
	size := 0
	for i, r := range p.Records {
		if size >= persist.MaxPageBytes {
			return fmt.Sprintf("a page goes on after %d bytes of data", size)
		}
		size += len(r.Data)
		if q.Before > 0 && r.Key >= q.Before || r.Key < p.Next || i > 0 && r.Key >= p.Records[i-1].Key {
			return fmt.Sprintf("key %d is out of order", r.Key)
		}
	}
	switch {
	case len(p.Records) > q.Limit:
		return fmt.Sprintf("a page of %d sessions (limit %d)", len(p.Records), q.Limit)
	case p.Unreadable > 0:
		return fmt.Sprintf("%d rows are unreadable", p.Unreadable)
	case p.Next != 0 && q.Before != 0 && p.Next >= q.Before:
		return "a walk does not move on"
	}
	return ""
}

// walk returns the sessions of all pages.
func walk(b persist.Backend, q persist.Query) ([]persist.Record, error) {
	var all []persist.Record
	for {
		p, err := b.Search(context.Background(), q)
		if err != nil {
			return nil, err
		}
		if why := pageFault(q, p); why != "" {
			return nil, errors.New(why)
		}
		all = append(all, p.Records...)
		if q.Before = p.Next; p.Next == 0 {
			return all, nil
		}
	}
}

// finds checks that a walk lists exactly the wanted sessions, which are in order of creation.
func (f *fixture) finds(q persist.Query, want ...*persist.Record) {
	f.Helper()
	got, err := walk(f.b, q)
	if err != nil {
		f.Fatalf("Search: %v", err)
	}
	if len(got) != len(want) {
		f.Fatalf("%d sessions match %.80q, %.80q, %.80q from %d on, want %d", len(got), q.User.ID, q.IPAddress, q.Device, q.Before, len(want))
	}
	slices.Reverse(got)
	for i, r := range want {
		f.same(got[i], *r)
	}
}

func (f *fixture) counts(want int) {
	f.Helper()
	if n, err := f.b.Count(context.Background()); err != nil || n != want {
		f.Fatalf("Count: %d, want %d (error: %v)", n, want, err)
	}
}

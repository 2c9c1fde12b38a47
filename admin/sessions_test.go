package admin_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// list is a page of a search.
type list struct {
	Sessions []struct {
		ID     string `json:"id"`
		UserID string `json:"user_id"`
	}
	Next  string
	Error string
}

func (f *fixture) search(query string) list {
	f.Helper()
	return want[list](f.T, f.get("/admin/api/sessions?"+query), http.StatusOK)
}

const iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"

func TestSessionsAreFoundByUserAddressAndDevice(t *testing.T) {
	f := setUp(t)
	f.loginFrom("ann", "192.0.2.1", firefox)
	f.loginFrom("ann", "192.0.2.2", iphone)
	f.loginFrom("bob", "192.0.2.1", iphone)
	for query, count := range map[string]int{
		"": 3, "user=ann": 2, "user=an": 0, "ip=192.0.2.1": 2, "ip=192.0.2": 0, "device=iphone": 2, "device=FIREFOX": 1, "device=%25": 0,
		"user=ann&ip=192.0.2.1&device=firefox": 1, "user=ann&ip=192.0.2.1&device=iphone": 0,
	} {
		if got := f.search(query); len(got.Sessions) != count || got.Next != "" {
			t.Errorf("%q: %+v, want %d", query, got, count)
		}
	}
}

func TestSessionsArePagedAndTheNewestComeFirst(t *testing.T) {
	f := setUp(t)
	for i := range 7 {
		f.login("user " + strconv.Itoa(i))
	}
	var users []string
	for next := ""; ; {
		page := f.search("limit=3&after=" + url.QueryEscape(next))
		for _, s := range page.Sessions {
			users = append(users, strings.TrimPrefix(s.UserID, "user "))
		}
		if next = page.Next; next == "" {
			break
		}
	}
	if got := strings.Join(users, ""); got != "6543210" {
		t.Error(got)
	}
	w := f.get("/admin/sessions?limit=3")
	if body := w.Body.String(); !strings.Contains(body, "Next page") || strings.Contains(body, "First page") || !strings.Contains(body, "user 6") {
		t.Errorf("the page:\n%s", body)
	}
}

func TestSessionsWithoutAnyAreAnEmptyList(t *testing.T) {
	f := setUp(t)
	if w := f.get("/admin/api/sessions"); strings.TrimSpace(w.Body.String()) != `{"sessions":[]}` {
		t.Error(w.Body)
	}
	if body := f.get("/admin/sessions").Body.String(); !strings.Contains(body, "No sessions") {
		t.Errorf("the page:\n%s", body)
	}
}

func TestSessionsRefuseHostileQueries(t *testing.T) {
	f := setUp(t)
	f.login("ann")
	long := strings.Repeat("x", 1<<20)
	for _, query := range []string{
		"limit=0", "limit=-1", "limit=1001", "limit=x", "limit=99999999999999999999", "user=" + long, "ip=" + long, "device=" + long, "after=" + long,
		"after=x", "after=%ff", "user=%ff", "user=%00", "device=%00", "user=%zz", "a;b",
	} {
		for _, path := range []string{"/admin/api/sessions?", "/admin/sessions?"} {
			w := f.get(path + query)
			if w.Code != http.StatusBadRequest || w.Body.Len() > 4096 || strings.Contains(w.Body.String(), "ann") {
				t.Errorf("%s%.30s: %d, %d bytes: %.300s", path, query, w.Code, w.Body.Len(), w.Body)
			}
		}
	}
	other := setUp(t)
	other.login("bob")
	other.login("bob")
	foreign := other.search("limit=1").Next
	if w := f.get("/admin/api/sessions?after=" + url.QueryEscape(foreign)); foreign == "" || w.Code != http.StatusBadRequest {
		t.Errorf("a cursor of another store: %d", w.Code)
	}
}

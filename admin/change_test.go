package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/admin"
)

func TestRevokeEndsOneSessionAndIsRepeatable(t *testing.T) {
	f := setUp(t)
	s, _ := f.login("ann")
	other, _ := f.login("ann")
	for _, count := range []int{1, 0} {
		got := want[outcome](t, f.post("/admin/api/sessions/"+s.ID().String()+"/revoke", ""), http.StatusOK)
		if got.Action != "revoke" || got.Count != count {
			t.Errorf("%+v, want a count of %d", got, count)
		}
	}
	if !f.gone(s) || f.gone(other) {
		t.Errorf("gone: %v, the other: %v", f.gone(s), f.gone(other))
	}
}

// TestRevokedSessionsSayThatAnAdministratorEndedThem: the event and Done have the reason.
func TestRevokedSessionsSayThatAnAdministratorEndedThem(t *testing.T) {
	f := setUp(t)
	one, _ := f.login("ann")
	f.login("ann")
	f.login("bob")
	for _, path := range []string{"sessions/" + one.ID().String() + "/revoke", "users/ann/revoke", "revoke-all"} {
		want[outcome](t, f.post("/admin/api/"+path, ""), http.StatusOK)
	}
	if err := f.store.Close(); err != nil { // every event has been passed on
		t.Fatal(err)
	}
	page := f.get("/admin/").Body.String()
	if n := strings.Count(page, string(sessile.EndRevoked)); n != 3 {
		t.Errorf("%d events have the reason:\n%s", n, page)
	}
}

func TestRevokeUserEndsTheSessionsOfThatUserAlone(t *testing.T) {
	f := setUp(t)
	for _, user := range append(hostile, "ann") {
		a, _ := f.login(user)
		b, _ := f.login(user)
		bob, _ := f.login("bob")
		path := "/admin/api/users/" + strings.ReplaceAll(url.PathEscape(user), ".", "%2E") + "/revoke"
		if got := want[outcome](t, f.post(path+"?except="+a.ID().String(), ""), http.StatusOK); got.Count != 1 || f.gone(a) || !f.gone(b) {
			t.Errorf("%q except one: %+v", user, got)
		}
		if got := want[outcome](t, f.post(path, ""), http.StatusOK); got.Count != 1 || !f.gone(a) || f.gone(bob) {
			t.Errorf("%q: %+v", user, got)
		}
	}
}

func TestRevokeUserRefusesAnExceptionOfAnotherUser(t *testing.T) {
	f := setUp(t)
	ann, _ := f.login("ann")
	bob, _ := f.login("bob")
	want[outcome](t, f.post("/admin/api/users/ann/revoke?except="+bob.ID().String(), ""), http.StatusNotFound)
	want[outcome](t, f.post("/admin/api/users/ann/revoke?except=x", ""), http.StatusBadRequest)
	if f.gone(ann) || f.gone(bob) {
		t.Error("a session has ended")
	}
}

func TestRevokeAllEndsEverySession(t *testing.T) {
	f := setUp(t)
	ann, _ := f.login("ann")
	bob, _ := f.login("bob")
	if got := want[outcome](t, f.post("/admin/api/revoke-all", ""), http.StatusOK); got.Count != 2 || !f.gone(ann) || !f.gone(bob) {
		t.Errorf("%+v", got)
	}
}

func TestSyncAndCleanupAnswer(t *testing.T) {
	f := setUp(t)
	f.login("ann")
	for _, name := range []string{"sync", "cleanup"} {
		if got := want[outcome](t, f.post("/admin/api/"+name, ""), http.StatusOK); got.Action != name || got.Count != 0 {
			t.Errorf("%+v", got)
		}
	}
}

func TestBackupWritesIntoItsDirectoryAlone(t *testing.T) {
	dir := t.TempDir()
	f := setUp(t, func(o *admin.Options) { o.BackupDir = dir })
	f.login("ann")
	got := want[outcome](t, f.post("/admin/api/backup", `{"name":"one.db"}`), http.StatusOK)
	info, err := os.Stat(filepath.Join(dir, "one.db"))
	if err != nil || got.File != "one.db" || got.Bytes != info.Size() {
		t.Fatalf("%+v, %v", got, err)
	}
	if got := want[outcome](t, f.post("/admin/api/backup", ""), http.StatusOK); !strings.HasPrefix(got.File, "sessile-") {
		t.Errorf("without a name: %+v", got)
	}
	if got := want[outcome](t, f.post("/admin/api/backup", `{"name":"one.db"}`), http.StatusConflict); got.Error == "" {
		t.Errorf("a name that exists: %+v", got)
	}
	for _, name := range []string{"../x.db", "/x.db", ".x", "a/b", "-x", `a\\b`, "x y", "x\\u0000", strings.Repeat("x", 101), "\\u001b[2J"} {
		if got := want[outcome](t, f.post("/admin/api/backup", `{"name":"`+name+`"}`), http.StatusBadRequest); got.Error == "" {
			t.Errorf("%q: %+v", name, got)
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	}
}

// A revocation that has begun is finished. Nobody waits for a backup whose client has left.
func TestBackupEndsWithItsClientAndARevocationDoesNot(t *testing.T) {
	dir := t.TempDir()
	f := setUp(t, func(o *admin.Options) { o.BackupDir = dir })
	f.login("ann")
	gone, leave := context.WithCancel(t.Context())
	leave()
	for path, status := range map[string]int{"/admin/api/backup": http.StatusServiceUnavailable, "/admin/api/users/ann/revoke": http.StatusOK} {
		r := httptest.NewRequestWithContext(gone, http.MethodPost, path, strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func TestBackupsAtOnceAreRefusedByName(t *testing.T) {
	f := setUp(t, func(o *admin.Options) { o.BackupDir = t.TempDir() })
	for i := range 200 { // a backup takes long enough for others to come
		f.login(fmt.Sprintf("user%d", i))
	}
	var all sync.WaitGroup
	var made, refused atomic.Int32
	for range 8 {
		all.Go(func() {
			switch w := f.post("/admin/api/backup", ""); {
			case w.Code == http.StatusOK:
				made.Add(1)
			case w.Code == http.StatusConflict && (strings.Contains(w.Body.String(), "Another backup is under way.") || strings.Contains(w.Body.String(), "exists already")):
				refused.Add(1)
			default:
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	all.Wait()
	if made.Load() == 0 || made.Load()+refused.Load() != 8 {
		t.Errorf("%d made, %d refused", made.Load(), refused.Load())
	}
}

func TestBackupNeedsADirectory(t *testing.T) {
	f := setUp(t)
	if w := f.post("/admin/api/backup", ""); w.Code != http.StatusForbidden {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestChangesRefuseHostileBodies(t *testing.T) {
	f := setUp(t, func(o *admin.Options) { o.BackupDir = t.TempDir() })
	for body, status := range map[string]int{
		"{": http.StatusBadRequest, "[]": http.StatusBadRequest, `{"name":1}`: http.StatusBadRequest, `{"path":"/etc"}`: http.StatusForbidden, `{"directory":"/etc"}`: http.StatusBadRequest,
		`{"name":"` + strings.Repeat("x", 1<<20) + `"}`: http.StatusRequestEntityTooLarge,
	} {
		if w := f.post("/admin/api/backup", body); w.Code != status {
			t.Errorf("%.30q: %d %s", body, w.Code, w.Body)
		}
	}
	if w := f.post("/admin/api/users/"+strings.Repeat("x", 1<<20)+"/revoke", ""); w.Code != http.StatusBadRequest {
		t.Errorf("a user ID of 1 MB: %d", w.Code)
	}
}

func TestChangesOfAClosedStoreAre503(t *testing.T) {
	f := setUp(t)
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"sessions/" + (sessile.ID{1}).String() + "/revoke", "users/ann/revoke", "revoke-all", "cleanup", "sync"} {
		if w := f.post("/admin/api/"+path, ""); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestBackupGoesToAnyPathOnlyIfThatIsAllowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	body := `{"path": "` + path + `"}`
	for name, c := range map[string]struct {
		options admin.Options
		body    string
		status  int
	}{
		"not allowed":         {admin.Options{BackupDir: t.TempDir()}, body, http.StatusForbidden},
		"relative":            {admin.Options{AnyBackupPath: true}, `{"path": "b.db"}`, http.StatusBadRequest},
		"a name as well":      {admin.Options{AnyBackupPath: true}, `{"path": "` + path + `", "name": "b.db"}`, http.StatusBadRequest},
		"a missing directory": {admin.Options{AnyBackupPath: true}, `{"path": "` + path + `/below/b.db"}`, http.StatusBadRequest},
		"allowed":             {admin.Options{AnyBackupPath: true}, body, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			f := setUp(t, func(o *admin.Options) { o.AnyBackupPath, o.BackupDir = c.options.AnyBackupPath, c.options.BackupDir })
			if got := f.post("/admin/api/backup", c.body); got.Code != c.status {
				t.Errorf("%d %s", got.Code, got.Body)
			}
		})
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

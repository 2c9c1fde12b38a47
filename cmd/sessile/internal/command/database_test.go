package command

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist/postgres"
	"github.com/sessile/sessile/persist/postgres/postgrestest"
)

// overDatabase returns a fixture whose commands use a PostgreSQL database without a schema.
func overDatabase(t *testing.T) *fixture {
	t.Helper()
	server, err := postgrestest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return &fixture{T: t, database: server.URL()}
}

// openNode opens a node over the database. Cleanup closes it.
func (f *fixture) openNode() {
	f.Helper()
	db, err := postgres.Open(f.Context(), postgres.Config{URL: f.database})
	if err != nil {
		f.Fatal(err)
	}
	if f.store, err = sessile.New(db, sessile.Config{Slog: slog.New(slog.DiscardHandler)}); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(f.close)
}

func TestDatabaseIsAdministeredBesideItsNodes(t *testing.T) {
	f := overDatabase(t)
	if r := f.run("list"); r.code != exitFailed || !strings.Contains(r.err, "sessile migrate") {
		t.Errorf("without a schema: %+v", r)
	}
	f.want(exitDeclined, "migrate")
	f.want(exitOK, "migrate", "--yes")
	f.openNode()
	f.login("ann", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	_, token := f.login("ann", "")
	bob, _ := f.login("bob", evil)

	if ids := f.ids("ann"); len(ids) != 2 {
		t.Fatalf("%v", ids)
	}
	if out := f.want(exitOK, "show", bob.ID().String()); !strings.Contains(out, "bob") {
		t.Error(out)
	}
	out := f.want(exitOK, "stats")
	for _, text := range []string{"health           ok", "sessions stored  3", "name its socket with --socket"} {
		if !strings.Contains(out, text) {
			t.Errorf("no %q in\n%s", text, out)
		}
	}
	f.want(exitOK, "cleanup")
	if out := f.want(exitOK, "revoke", "--user", "ann", "--yes"); out != "2 sessions ended.\n" {
		t.Error(out)
	}
	if err := f.store.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.ReadByToken(t.Context(), token); err == nil {
		t.Error("the node still serves a revoked session")
	}
	if ids := f.ids(""); !slices.Equal(ids, []string{bob.ID().String()}) {
		t.Errorf("left: %v", ids)
	}
}

func TestDatabaseRefusesWhatIsForFiles(t *testing.T) {
	f := &fixture{T: t, database: "postgres://127.0.0.1:1/none"} // none of these connects
	for _, args := range [][]string{{"doctor"}, {"backup", "b.db"}, {"restore", "b.db"}} {
		if r := f.run(args...); r.code != exitUsage || !strings.Contains(r.err, "use the tools of PostgreSQL") {
			t.Errorf("%v: %+v", args, r)
		}
	}
	for _, args := range [][]string{{"top"}, {"stats", "--watch"}} {
		if r := f.run(args...); r.code != exitUnreachable || !strings.Contains(r.err, "name that of a node with --socket") {
			t.Errorf("%v: %+v", args, r)
		}
	}
}

func TestDatabaseThatCannotBeAskedHasItsExitCode(t *testing.T) {
	f := &fixture{T: t, database: "postgres://127.0.0.1:1/none?connect_timeout=2"}
	if r := f.run("list"); r.code != exitUnreachable {
		t.Errorf("%+v", r)
	}
	f.database = "mysql://secret@127.0.0.1/none"
	if r := f.run("list"); r.code != exitUsage || strings.Contains(r.err, "secret") {
		t.Errorf("%+v", r)
	}
}

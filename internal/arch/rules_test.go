package arch

// module is the import path of the root package.
const module = "github.com/sessile/sessile"

// Size limits for code that is not a test.
const (
	maxFileLines = 350
	maxFuncLines = 60
)

// rules are what one package may do. Paths are relative to the module root, and "." is the root package.
type rules struct {
	imports []string // other packages of the module; each must be used
	modules []string // third-party packages, including everything below them
	stdlib  []string // guarded or shunned standard packages that are allowed here
	shuns   []string // standard packages that it must not import

	clock   bool     // may read the wall clock
	locks   bool     // may hold a mutex
	tokens  bool     // may use the type Token
	statics bool     // its SQL is constant text: no clock, no upsert
	starts  []string // functions ("Open") and methods ("DB.Watch") that may start goroutines
	loop    string   // type whose methods, and functions that take it, may neither wait nor lock nor publish
	shell   string   // type whose methods drive the loop, and may do all that
	core    []string // files whose functions all belong to the loop

	registers bool // its init may register an engine: the root cannot import it without linking it into every program
}

// anywhere, in starts, is for a package that tests others.
const anywhere = "*"

// packages are the rules, and the only list of allowed dependencies. A package or an import that is not
// listed is a violation, and so is a listed import that is not used.
func packages() map[string]rules {
	return map[string]rules{
		".": {
			imports: []string{"actor", "persist", "internal/bridge", "internal/clock", "internal/object"},
			modules: []string{"github.com/oklog/ulid/v2", "go.uber.org/zap", "github.com/mileusna/useragent"},
			shuns:   []string{"database/sql"},
			clock:   true, tokens: true,
		},
		"actor": {
			imports: []string{"cache", "persist", "internal/agenda", "internal/object"},
			stdlib:  []string{"math/rand/v2"}, // jitter of retries; not a secret
			shuns:   []string{"database/sql", "io/fs", "os"},
			starts: []string{
				"Start",
				"Actor.Done", "bounded", // both end with the caller's context
				"Actor.readAll", // it waits for them: several reads at a time
				"observer.run",  // in its own place, if the observer has ended it
			},
			loop: "core", shell: "Actor",
			core: []string{
				"abandon.go", "admission.go", "batch.go", "core.go", "create_late.go", "dirty.go", "end.go", "ending.go", "errors.go", "event.go", "load.go", "overload.go",
				"peers.go", "queue.go", "retry.go", "step.go", "syncs.go", "tombstone.go", "tombstone_user.go", "view.go", "watchlist.go",
			},
		},
		"cache": {
			modules: []string{"github.com/hashicorp/golang-lru/v2/simplelru"},
			shuns:   []string{"context", "database/sql", "io/fs", "os", "time"},
		},
		"internal/bridge": {
			shuns: []string{"context", "database/sql", "io/fs", "os"},
		},
		"internal/agenda": {
			shuns: []string{"context", "database/sql", "io/fs", "os", "time"},
		},
		"internal/clock": {
			shuns: []string{"context", "database/sql", "io/fs", "os", "time"},
		},
		"internal/object": {
			shuns: []string{"context", "database/sql", "io/fs", "os", "time"},
			locks: true,
		},
		"internal/typed": {
			imports: []string{"internal/object"},
			shuns:   []string{"context", "database/sql", "io/fs", "os"},
			locks:   true,
		},
		"persist": {
			stdlib: []string{"sync/atomic"}, // the registered engine
			shuns:  []string{"database/sql", "io/fs", "os", "sync"},
		},
		"persist/persisttest": {
			imports: []string{"persist"},
			modules: testModules(),
			locks:   true,
			clock:   true, // of a shared backend
			starts:  []string{anywhere},
		},
		// Real stores, so not persisttest itself: the tests of the root and of the actor import that.
		"persist/persisttest/nodes": {
			imports: []string{".", "actor", "persist", "persist/persisttest"},
			modules: testModules(),
			stdlib:  []string{"math/rand/v2"},
			locks:   true, clock: true, tokens: true,
			starts: []string{anywhere},
		},
		"persist/sqlite": {
			imports: []string{"persist"},
			modules: []string{"github.com/gofrs/flock", "modernc.org/libc", "modernc.org/sqlite", "zombiezen.com/go/sqlite"},
			locks:   true,
			statics: true, registers: true,
			starts: []string{"Open", "DB.Backup"}, // both end when the disk responds, not with their callers
		},
		"internal/pages": {
			stdlib: []string{"net/http"},
			shuns:  []string{"context", "database/sql", "os", "time"},
		},
		"admin": {
			imports: []string{".", "metrics", "internal/pages"},
			stdlib:  []string{"net/http"},
			shuns:   []string{"database/sql"},
			starts:  []string{"serve"}, // joins it
			clock:   true,              // write deadlines, and the time between two readings
			locks:   true,
		},
		"metrics": {
			imports: []string{"."},
			shuns:   []string{"context", "database/sql", "io/fs", "os", "time"},
		},
		"middleware/middlewaretest": {
			imports: []string{".", "middleware", "persist", "persist/sqlite"},
			starts:  []string{"WithHandle"}, // ends with the test
			stdlib:  []string{"net/http"},
			locks:   true,
			clock:   true,
			tokens:  true,
		},
		"middleware": {
			imports: []string{".", "internal/bridge", "internal/object"},
			stdlib:  []string{"net/http"},
			shuns:   []string{"database/sql"},
			starts:  []string{"responseWriter.CloseNotify"}, // a callback at the end of the request
			clock:   true, locks: true, tokens: true,
		},
	}
}

// A package below internal/ that is not in the rules exists only for tests. It may import anything. Only
// tests, the commands of nested modules and other such packages may import it.
const testPackages = "internal/"

// unsafePackage is the only package that may import unsafe, because SQLite's file system is a table of C
// function pointers. Only tests can import it.
const unsafePackage = testPackages + "faultvfs"

// nested lists the modules that build on this one, by directory, and what they may import of it.
func nested() map[string][]string {
	return map[string][]string{
		"bench":      {".", "middleware", "persist", "persist/postgres", "persist/postgres/postgrestest", "persist/sqlite"},
		"cmd":        {".", "admin", "internal/pages", "middleware", "persist/postgres", "persist/postgres/postgrestest", "persist/sqlite"},
		"compat":     {".", "compat/gorilla", "middleware", "middleware/middlewaretest", "persist/sqlite", "internal/move", "internal/typed"},
		"metrics":    {".", "metrics", "persist/sqlite"},               // third-party monitoring
		"middleware": {".", "middleware", "middleware/middlewaretest"}, // third-party frameworks
		"persist": { // third-party databases
			".", "persist", "persist/persisttest", "persist/persisttest/nodes", "internal/behaviour",
			"internal/bridge", // sets the clocks of nodes under test
		},
		"tools": nil,
	}
}

// testsMayImport lists what tests may import beyond their own package. The simulation of clocks needs the
// store's own clock rule.
func testsMayImport() []string {
	return []string{"persist", "persist/persisttest", "persist/sqlite", "internal/clock"}
}

// testModules lists the third-party packages that tests may import.
func testModules() []string {
	return []string{"go.uber.org/goleak", "pgregory.net/rapid", "go.uber.org/zap"}
}

// forbidden lists packages that even tests must not import.
func forbidden() map[string]string {
	return map[string]string{
		"encoding/gob":                        "decodes types that the writer chose",
		"github.com/pkg/errors":               "use errors and fmt",
		"github.com/rs/xid":                   "guessable (CVE-2024-52801)",
		"github.com/stretchr/testify/assert":  "say in the test what went wrong",
		"github.com/stretchr/testify/require": "say in the test what went wrong",
		"io/ioutil":                           "deprecated",
		"math/rand":                           "predictable, and seeded by nobody",
		"plugin":                              "loads code",
		"unsafe":                              "breaks what the compiler promises",
	}
}

// guarded lists packages that only some packages may import. Tests and nested modules are exempt.
func guarded() []string { return []string{"math/rand/v2", "net/http"} }

// readsClock names the functions of package time that read the wall clock.
func readsClock() []string { return []string{"Now", "Since", "Until"} }

// coreShuns lists the standard packages that no file of a core may import.
func coreShuns() []string { return []string{"context", "sync"} }

// coreTime lists what a core may use of package time: durations, but no clock or timer.
func coreTime() []string {
	return []string{"Duration", "Microsecond", "Millisecond", "Second", "Minute", "Hour"}
}

// publishes names what readers can see at once: the published half of the cache, the actor's type for the
// rest, and the stores of package atomic.
func publishes() []string {
	return []string{"Index", "published", "Store", "Swap", "CompareAndSwap"}
}

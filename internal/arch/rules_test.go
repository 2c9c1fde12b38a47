package arch

// module is the import path of the repository's root.
const module = "github.com/sessile/sessile"

// Bounds on code that is not a test.
const (
	maxFileLines = 350
	maxFuncLines = 60
)

// rules are what one package may do. Paths of the module are relative to its root,
// and "." is the root package itself.
type rules struct {
	imports []string // other packages of the module; each one must be in use
	modules []string // other people's packages, with everything below them
	stdlib  []string // packages of the standard library that are guarded or shunned, and allowed here
	shuns   []string // packages of the standard library it refuses to know

	clock   bool     // may read the wall clock
	locks   bool     // may hold a mutex
	tokens  bool     // may know the type Token
	statics bool     // its SQL is constant text: no clock, no upsert
	starts  []string // functions ("Open") and methods ("DB.Watch") that may start goroutines
	loop    string   // type whose methods, and functions that are given it, neither wait, lock nor publish
	shell   string   // type whose methods drive it, and may do all that
	core    []string // files whose every function is of the loop

	registers bool // its init may register an engine: the root that imported it would link it into every program
}

// anywhere in starts is for a package that tests others.
const anywhere = "*"

// packages are the rules, and the only list of allowed dependencies. A package or an
// import that is not in it is a fault, and so is an import in it that is not used.
func packages() map[string]rules {
	return map[string]rules{
		".": {
			imports: []string{"actor", "persist", "internal/bridge", "internal/clock", "internal/object"},
			modules: []string{"github.com/oklog/ulid/v2", "go.uber.org/zap", "github.com/mileusna/useragent"},
			shuns:   []string{"database/sql"},
			clock:   true, tokens: true,
		},
		"actor": {
			imports: []string{"cache", "persist", "internal/object"},
			stdlib:  []string{"math/rand/v2"}, // the jitter of retries; nothing secret comes from it
			shuns:   []string{"database/sql", "io/fs", "os"},
			starts: []string{
				"Start",
				"Actor.Done", "bounded", // end with the context of a caller
				"observer.run", // in its own place, if the observer has ended it
			},
			loop: "core", shell: "Actor",
			core: []string{
				"admission.go", "agenda.go", "batch.go", "core.go", "dirty.go", "end.go", "errors.go", "event.go", "histogram.go", "load.go", "operation.go",
				"peers.go", "queue.go", "retry.go", "step.go", "syncs.go", "tombstone.go", "tombstone_user.go", "view.go", "watchlist.go",
			},
		},
		"cache": {
			modules: []string{"github.com/hashicorp/golang-lru/v2/simplelru"},
			shuns:   []string{"context", "database/sql", "io/fs", "os", "time"},
		},
		"internal/bridge": {
			shuns: []string{"context", "database/sql", "io/fs", "os", "time"},
		},
		"internal/clock": {
			shuns: []string{"context", "database/sql", "io/fs", "os", "time"},
		},
		"internal/object": {
			shuns: []string{"context", "database/sql", "io/fs", "os", "time"},
			locks: true,
		},
		"persist": {
			stdlib: []string{"sync/atomic"}, // the registered engine
			shuns:  []string{"database/sql", "io/fs", "os", "sync"},
		},
		"persist/persisttest": {
			imports: []string{"persist"},
			modules: testModules(),
			locks:   true,
			starts:  []string{anywhere},
		},
		"persist/sqlite": {
			imports: []string{"persist"},
			modules: []string{"github.com/gofrs/flock", "modernc.org/libc", "modernc.org/sqlite", "zombiezen.com/go/sqlite"},
			locks:   true,
			statics: true, registers: true,
			starts: []string{"Open", "DB.Backup"}, // both end when the disk does, and not with their callers
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

// A package below internal/ that is not in the rules exists for tests: it may
// import what it likes, and nothing but tests, the commands of nested modules and
// its like may import it.
const testPackages = "internal/"

// unsafePackage alone may import unsafe: SQLite's file system is a table of C
// function pointers. Nothing but tests can import it.
const unsafePackage = testPackages + "faultvfs"

// nested are the modules that build upon this one, by directory, and what they
// may import of it.
func nested() map[string][]string {
	return map[string][]string{
		"bench":      {".", "middleware", "persist/sqlite"},
		"cmd":        {".", "middleware", "persist/sqlite"},
		"metrics":    {".", "metrics", "persist/sqlite"},               // other people's monitoring
		"middleware": {".", "middleware", "middleware/middlewaretest"}, // other people's frameworks
		"persist":    {".", "persist", "persist/persisttest"},          // other people's databases
		"tools":      nil,
	}
}

// testsMayImport is what tests may import beyond the imports of their own package. The
// simulation of clocks tells the time by the store's own rule.
func testsMayImport() []string {
	return []string{"persist", "persist/persisttest", "persist/sqlite", "internal/clock"}
}

// testModules is what tests may import of other people's.
func testModules() []string {
	return []string{"go.uber.org/goleak", "pgregory.net/rapid", "go.uber.org/zap"}
}

// forbidden is never imported, not even by tests.
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

// guarded is imported only where the rules say so. Tests and nested modules are free.
func guarded() []string { return []string{"math/rand/v2", "net/http"} }

// readsClock names the functions of package time that read the wall clock.
func readsClock() []string { return []string{"Now", "Since", "Until"} }

// coreShuns are the packages of the standard library that no file of a core imports.
func coreShuns() []string { return []string{"context", "sync"} }

// coreTime is what a core may use of package time: durations, and no clock or timer.
func coreTime() []string {
	return []string{"Duration", "Microsecond", "Millisecond", "Second", "Minute", "Hour"}
}

// publishes names what shows readers something at once: the half of the cache that they
// see, the actor's type for the rest, and the stores of package atomic.
func publishes() []string {
	return []string{"Index", "published", "Store", "Swap", "CompareAndSwap"}
}

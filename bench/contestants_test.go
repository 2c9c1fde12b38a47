package bench

import (
	"slices"
	"strings"
	"testing"
)

// contestant creates a new client for one workload, or nil if it cannot run here.
type contestant struct {
	name     string
	make     func(testing.TB, options) client
	memory   bool   // reads come from memory
	settings string // what it is, for definitions and the table of settings
}

// limited is the contestant that differs from the first only in logins.
const limited = "sessile-limit-10"

func contestants() []contestant {
	const (
		wal    = "mattn/go-sqlite3 in C, WAL, synchronous=%, 32 MiB of page cache a connection, a pool of four connections, automatic checkpoints; statements are prepared for each call"
		redis  = "redis-server on a Unix socket, 64 idle connections, keeps nothing on disk"
		limits = "Sessile over SQLite in Go, WAL, synchronous=FULL, 32 MiB of page cache for the writer and 16 MiB for each of four readers, prepared statements, secure_delete, "
	)
	return []contestant{
		{"sessile", newSessile, true, limits + "no limit of sessions per user, otherwise the defaults"},
		{limited, newSessileLimited, true, limits + "the defaults: at most ten sessions per user"},
		{"floor", func(testing.TB, options) client { return new(floorClient) }, true, "hand-written cookie scan, SHA-256, sync.Map, context; two objects a request"},
		{"mutex-map", newMap, true, "net/http's cookie parser, one mutex and one map, keyed by the token itself"},
		{"scs-memstore", newSCSMemory, true, "scs in memory, gob codec (its default)"},
		{"scs-memstore-json", withJSON(newSCSMemory), true, "scs in memory, JSON codec"},
		{"scs-sqlite-NORMAL", newSCSSQLite("NORMAL"), false, "scs, gob codec, " + strings.ReplaceAll(wal, "%", "NORMAL") + "; a power cut loses the last commits"},
		{"scs-sqlite-NORMAL-json", withJSON(newSCSSQLite("NORMAL")), false, "scs, JSON codec, " + strings.ReplaceAll(wal, "%", "NORMAL") + "; a power cut loses the last commits"},
		{"scs-sqlite-FULL", newSCSSQLite("FULL"), false, "scs, gob codec, " + strings.ReplaceAll(wal, "%", "FULL")},
		{"scs-sqlite-FULL-json", withJSON(newSCSSQLite("FULL")), false, "scs, JSON codec, " + strings.ReplaceAll(wal, "%", "FULL")},
		{"scs-redis", newSCSRedis, false, "scs, gob codec, " + redis},
		{"scs-redis-json", withJSON(newSCSRedis), false, "scs, JSON codec, " + redis},
		{"gorilla-cookie", newGorillaCookie, false, "gorilla/sessions, the session is in the signed cookie (gob, HMAC), no encryption"},
		{"gorilla-files", newGorillaFiles, false, "gorilla/sessions, one file a session, no sync"},
		{"gin-memstore", newGin, true, "gin-contrib/sessions in memory, inside a Gin engine"},
	}
}

// contestantNamed returns one contestant.
func contestantNamed(name string) contestant {
	all := contestants()
	return all[slices.IndexFunc(all, func(k contestant) bool { return k.name == name })]
}

// named returns the contestants of that name, in our order.
func named(names ...string) []contestant {
	return slices.DeleteFunc(contestants(), func(k contestant) bool { return !slices.Contains(names, k.name) })
}

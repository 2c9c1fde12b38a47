package bench

import (
	"fmt"
	"strings"
)

// Every row says what was measured. A row whose definition is not that of this file is marked in the tables, because it
// was measured in another way than the rows of a new run.

// burstDefinition is what the rows of requests have in common.
const burstDefinition = `nanoseconds a request over all clients, in process through the full middleware; every request draws from all sessions (300 bytes of data each); ` +
	`median of rounds in turns with the other contestants, or in sequence among more than -sessions; write-behind is flushed between rounds: a burst`

// works says what a request of each work does.
func workDefinitions() map[string]string {
	return map[string]string{
		"read":         "reads the user of the session",
		"set":          "sets one key",
		"touch":        "reads, and renews the session every time",
		"mix":          "95 reads, 4 sets, 1 login with its logout, of a user of each client without other sessions",
		"login+logout": "a login with its logout, of a user of each client without other sessions",
		"cold":         "reads by Zipf (1.1) with memory for one session in a hundred",
	}
}

func (x result) definition() string {
	return fmt.Sprintf("%s; %s; %s", workDefinitions()[x.Work], burstDefinition, settingsOf(x.Contestant))
}

// settingsOf returns what a contestant is.
func settingsOf(name string) string {
	for _, k := range contestants() {
		if k.name == name {
			return k.settings
		}
	}
	return name
}

func (x durable) definition() string {
	if strings.HasPrefix(x.Operation, "refusal") {
		return "from the acknowledgement of a destroy on one node until another, which had the session in memory, refuses it; one at a time"
	}
	d := "calls of the store by concurrent callers, each one after the other, 1.5 s; on disk when they return"
	if strings.HasPrefix(x.Operation, "create") {
		d += "; median of rounds in turns; the bare commits have the store's schema and settings"
	}
	return d
}

func (x growth) definition() string {
	return "best of five rounds of reads of random sessions by one caller, whose context can end; a cold read has memory for one session in a hundred; " +
		"memory is the live heap with every session in memory; the files are in the page cache of the system"
}

func (x lookup) definition() string {
	if strings.HasPrefix(x.What, "hot read over") {
		return "nanoseconds a hot read by one caller; median of rounds in turns"
	}
	return "nanoseconds a lookup over all clients, without HTTP; each client goes through all sessions in random order; median of nine rounds in turns"
}

func (x readTimes) definition() string {
	return "single hot reads of random sessions by one goroutine beside the load"
}

func (x served) definition() string {
	return "requests a second by wrk (one thread, 64 connections) from a server in its own process on the same cores; cookies of all sessions in random order" +
		"; with memory for one session in a hundred by Zipf (1.1) for http cold; median of rounds in turns; " + settingsOf(x.Contestant)
}

func (x setting) definition() string {
	return "touches by 64 callers as fast as they can for 2 s, and by one at 5,000 a second; 100 durable creates a second meanwhile"
}

func (x writeRate) definition() string {
	if strings.HasPrefix(x.What, "touches, ") {
		return fmt.Sprintf("changes a second in commits of %d touches of random sessions, one after the other; median of rounds in turns", batchOf)
	}
	return "changes a second until all are on disk, each session once in random order; bare loops sort each commit of 4,096 by key, and with a window all changes that may be pending"
}

func (x sustained) definition() string {
	d := "64 clients as fast as they can for 10 s after 2 s of warm-up, in process through the full middleware; every request draws from all sessions (300 bytes of data each); " +
		"written: changes in commits during that time; age of the oldest unwritten change sampled every 5 ms; times of single requests"
	if x.Clients == 0 {
		d = "statements over the store's schema and settings without clients, for 10 s after 2 s, commits of 4,096 changes of random sessions, each sorted by key"
		if x.Contestant == bareWindow {
			d += fmt.Sprintf(", from %d changes sorted by key", crowded)
		}
	}
	if x.Work == "sustained set beside logins" {
		d += "; 100 logins a second of new users beside it (open loop), timed from the intended start"
	}
	return d + "; " + settingsOf(x.Contestant)
}

func (x coldSelect) definition() string {
	return "reads of random sessions by token under a context that can end, memory for one session in a hundred; beside it the SELECT on four connections with the settings " +
		"of the store's readers, whose context is ignored; median of rounds in turns; the file is in the page cache of the system"
}

func (x overload) definition() string {
	return "requests arrive at ten times the rate that 64 clients sustain, in process through the full middleware, at most 4,096 in flight; a request that waits for a second " +
		"before it is started is given up; times from the arrival"
}

func (x soak) definition() string {
	return "95 reads, 4 sets, 1 login with its logout at 80 % of the rate that 64 clients sustain (open loop); 99 % of the requests draw from the sessions that fit into memory, the others from all; " +
		"times from the arrival; memory includes the generator, which holds a cookie of about 90 bytes for each session"
}

// defined is a row.
type defined interface{ definition() string }

// stamp sets the definitions of rows.
func stamp[T defined](rows []T, at func(*T) *string) {
	for i := range rows {
		*at(&rows[i]) = rows[i].definition()
	}
}

// define says in every row what was measured.
func (r *report) define() {
	stamp(r.Results, func(x *result) *string { return &x.Definition })
	stamp(r.Durable, func(x *durable) *string { return &x.Definition })
	stamp(r.Growth, func(x *growth) *string { return &x.Definition })
	stamp(r.Lookups, func(x *lookup) *string { return &x.Definition })
	stamp(r.WhileWriting, func(x *readTimes) *string { return &x.Definition })
	stamp(r.HTTP, func(x *served) *string { return &x.Definition })
	stamp(r.Sweep, func(x *setting) *string { return &x.Definition })
	stamp(r.Behind, func(x *writeRate) *string { return &x.Definition })
	stamp(r.Sustain, func(x *sustained) *string { return &x.Definition })
	stamp(r.Selects, func(x *coldSelect) *string { return &x.Definition })
	stamp(r.Over, func(x *overload) *string { return &x.Definition })
	stamp(r.Soaks, func(x *soak) *string { return &x.Definition })
}

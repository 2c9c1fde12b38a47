// Package stress disturbs a store from outside, in real time and on real files: a full disk, a lock that
// another process holds, a write-ahead log that cannot be emptied, a stalled disk, ten times the load
// that the store can take, and timed tokens. The package has only tests.
package stress

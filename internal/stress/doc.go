// Package stress troubles a store from outside, in real time and on real files: a
// disk that is full, a lock that another process holds, a write-ahead log that
// cannot be emptied, a disk that stalls, ten times the load that it can take,
// tokens that are timed.
// It has tests only.
package stress

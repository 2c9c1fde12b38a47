// Package bench compares Sessile with other session libraries, and with the bare steps that each of them
// needs, in one process and on the same work. It is a separate module, so that users of the library do not
// depend on the rivals.
package bench

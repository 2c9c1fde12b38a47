// Package failover tests what a store over PostgreSQL keeps when its server fails: it is killed under load, its standby takes over or is
// missing, its disk is full, its connections are used up. Two nodes serve clients meanwhile. A ledger compares both nodes and the
// database with what was acknowledged. The package has only tests.
package failover

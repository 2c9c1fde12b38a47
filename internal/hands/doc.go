// Package hands proves what a store keeps while other programs handle its file: a
// store works under load, and beside it a seeded program does what operators, cron
// jobs and attackers do, with the sqlite3 shell and with files. After each round the
// file is held to what the store acknowledged. It has tests only.
package hands

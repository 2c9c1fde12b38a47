// Package foreign checks what a store keeps while other programs handle its file. A store
// works under load. Beside it a seeded program does what operators, cron jobs and attackers
// do, with the sqlite3 shell and with files. After each round the file is compared with
// what the store acknowledged. It has tests only.
package foreign

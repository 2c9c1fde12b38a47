// Package foreign tests what a store keeps while other programs use its file. A store works under load.
// Meanwhile a seeded program does what operators, cron jobs and attackers do, with the sqlite3 shell
// and with files. After each round, the file is compared with what the store acknowledged. The package
// has only tests.
package foreign

// Package kill tests what survives SIGKILL. A child process works on a store and reports on a pipe
// what was acknowledged. The parent kills it at a random moment, opens the file again, and compares it
// with the reports. The package has only tests.
package kill

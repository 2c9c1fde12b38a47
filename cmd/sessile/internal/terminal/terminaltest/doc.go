// Package terminaltest opens terminals for tests, on Linux. It knows nothing about what runs on them.
package terminaltest

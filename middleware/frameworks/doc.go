// Package frameworks tests the code in the README of its directory. It contains only tests.
package frameworks

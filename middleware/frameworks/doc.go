// Package frameworks holds the README of its directory to the code; see there. It
// has tests only.
package frameworks

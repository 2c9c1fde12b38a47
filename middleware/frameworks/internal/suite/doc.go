// Package suite is a small application and a table of what must hold for it under every framework.
// A framework provides a [Mount], which serves the routes through its own router and writes through
// its own context. [Run] does the rest.
//
// The suite uses net/http and the middleware. It knows no framework.
package suite

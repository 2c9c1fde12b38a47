// Package suite is a little application and what must hold of it under every
// framework. A framework has a [Mount], which serves the routes through its own
// router and writes through its own context; [Run] does the rest.
//
// The suite knows net/http and the middleware; it refuses to know any framework.
package suite

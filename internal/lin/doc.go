// Package lin checks with Porcupine that concurrent calls of a store look as if
// they had happened one after the other, each at some moment between its beginning
// and its answer; half of the histories have a crash in the middle. It has tests only.
package lin

package middleware

import (
	"reflect"
	"testing"
)

// The limit applies to 64-bit systems, where a net/http request alone takes 304 bytes.
func TestRequestFitsTheLargestObjectWithoutAHeader(t *testing.T) {
	if size := reflect.TypeFor[parcel]().Size(); size > 512 {
		t.Errorf("a parcel has %d bytes, want at most 512", size)
	}
}

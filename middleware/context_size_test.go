package middleware

import (
	"reflect"
	"testing"
)

// The limit holds on 64 bits, where a request of net/http alone has 304 bytes.
func TestRequestFitsTheLargestObjectWithoutAHeader(t *testing.T) {
	if size := reflect.TypeFor[parcel]().Size(); size > 512 {
		t.Errorf("a parcel has %d bytes, want at most 512", size)
	}
}

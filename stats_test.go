package sessile_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/sessile/sessile"
)

func TestHealthStateEncodesAsItsName(t *testing.T) {
	raw, err := json.Marshal(sessile.Health{State: sessile.HealthDegraded})
	if err != nil || !strings.Contains(string(raw), `"State":"degraded"`) {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestHealthStatesHaveNames(t *testing.T) {
	for state, want := range map[sessile.HealthState]string{
		sessile.HealthOK: "ok", sessile.HealthDegraded: "degraded", sessile.HealthFailed: "failed", 200: "failed", // never better than it may be
	} {
		if got := fmt.Sprint(state); got != want {
			t.Errorf("state %d is %q, want %q", uint8(state), got, want)
		}
	}
	if (sessile.Health{}).State != sessile.HealthOK {
		t.Error("a health without a fault is not OK")
	}
}

func TestStatsAreNumbersOnly(t *testing.T) { // S4: no token in a metric
	numbersOnly(t, reflect.TypeFor[sessile.Stats]())
}

// numbersOnly checks the fields of a struct, including nested structs and arrays.
func numbersOnly(t *testing.T, s reflect.Type) {
	t.Helper()
	for f := range s.Fields() {
		of := f.Type
		if of.Kind() == reflect.Array {
			of = of.Elem()
		}
		switch {
		case of.Kind() == reflect.Struct:
			numbersOnly(t, of)
		case !of.ConvertibleTo(reflect.TypeFor[float64]()):
			t.Errorf("%s is a %s", f.Name, f.Type)
		}
	}
}

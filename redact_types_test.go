package sessile_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sessile/sessile"
)

// secretives are the structs that can carry data, a fingerprint or a token in an exported field.
// The test below finds one that is missing.
func secretives() map[string]func(t *testing.T) map[string]string {
	return map[string]func(t *testing.T) map[string]string{
		"NewSession": leaksOf[sessile.NewSession], "Meta": leaksOf[sessile.Meta],
		"Rotation": leaksOf[sessile.Rotation],
	}
}

// leaksOf fills the secret fields of T and searches all output for them. Where fmt calls no method
// (%w, and nested pointers with verbs that pointers lack), it prints exported fields.
func leaksOf[T any](t *testing.T) map[string]string {
	t.Helper()
	var v T
	if n := fill(t, reflect.ValueOf(&v).Elem()); n == 0 {
		t.Fatalf("%T has no secret", v)
	}
	hidden := markerSecret()
	hidden.needles = append(hidden.needles, tokenSecret(hiddenToken(t)).needles...)
	return leaks(v, hidden, func(way, shape string) bool {
		verb, isVerb := strings.CutPrefix(way, "fmt %")
		return isVerb && !strings.HasSuffix(verb, "v") && (strings.HasSuffix(verb, "w") || shape == "deep")
	})
}

// fill puts the marker wherever a struct can hold a secret, and returns the number of places.
func fill(t *testing.T, v reflect.Value) (n int) {
	t.Helper()
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		switch f.Interface().(type) {
		case sessile.Token:
			f.Set(reflect.ValueOf(hiddenToken(t)))
		case sessile.Data:
			f.Set(reflect.ValueOf(someSession(t).Data()))
		case sessile.Meta:
			n += fill(t, f)
			continue
		case string:
			if name != "Fingerprint" {
				continue
			}
			f.SetString(marker)
		default:
			if f.Kind() != reflect.Interface {
				continue
			}
			f.Set(reflect.ValueOf(map[string]any{"secret": marker}))
		}
		n++
	}
	return n
}

func TestRedactHidesDataAndTokensInEveryType(t *testing.T) { // S49
	for name, leaks := range secretives() {
		t.Run(name, func(t *testing.T) { expectNone(t, leaks(t)) })
	}
	for want, v := range map[string]any{
		`NewSession(user "ann")`: sessile.NewSession{UserID: "ann"}, `NewSession(guest)`: sessile.NewSession{Guest: true},
		`Meta("Firefox on Linux")`: sessile.Meta{DeviceName: "Firefox on Linux"},
	} {
		for _, out := range []string{fmt.Sprint(v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v), fmt.Sprintf("%d", v)} {
			if out != want {
				t.Errorf("%q, want %q", out, want)
			}
		}
	}
}

// A new struct with such a field must be in the table.
func TestRedactTestsEveryTypeThatCarriesASecret(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	known, found := secretives(), 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() || !carries(spec) {
				return true
			}
			found++
			if known[spec.Name.Name] == nil {
				t.Errorf("%s can carry a secret, and is not tested", spec.Name)
			}
			return true
		})
	}
	if found != len(known) {
		t.Errorf("%d types were found, %d are tested", found, len(known))
	}
}

// carries reports whether a struct has an exported field that can hold a secret.
func carries(spec *ast.TypeSpec) bool {
	s, ok := spec.Type.(*ast.StructType)
	if !ok {
		return false
	}
	return slices.ContainsFunc(s.Fields.List, func(f *ast.Field) bool {
		typ := ""
		switch x := f.Type.(type) {
		case *ast.Ident:
			typ = x.Name
		case *ast.SelectorExpr:
			typ = x.Sel.Name
		}
		return slices.ContainsFunc(f.Names, func(name *ast.Ident) bool {
			return name.IsExported() && (name.Name == "Fingerprint" || slices.Contains([]string{"any", "Token", "Data", "Meta", "RawMessage"}, typ))
		})
	})
}
